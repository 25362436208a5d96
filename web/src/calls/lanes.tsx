/** A call as lanes over time: who waited, what was done, what was said, and where it was cut. */

import { clockTime, milliseconds, plural } from "../shown";
import type { TurnView } from "../turns";
import type { Recording } from "./moments";

interface Props {
  recording: Recording;
  now: number;
  onSeek: (ms: number) => void;
}

export function Lanes({ recording, now, onSeek }: Props) {
  const { turns, length } = recording;
  const at = (ms: number) => `${(100 * Math.max(0, Math.min(ms, length))) / length}%`;
  const bar = (from: number, to: number) => ({ left: at(from), width: `${(100 * Math.max(0, to - from)) / length}%` });
  const tools = turns.flatMap((turn) => turn.tools);
  return (
    <div class="lanes" role="img" aria-label={`Timeline: ${plural(turns.length, "turn")} in ${clockTime(length)}`}>
      <div class="lane-names" aria-hidden="true">
        <span>asked</span>
        <span>wait</span>
        {tools.length > 0 && <span>tools</span>}
        <span>speech</span>
      </div>
      <div class="lane-space">
        <div class="lane" aria-hidden="true">
          {turns.map((turn) => (
            <span
              key={turn.number}
              class="mark"
              style={{ left: at(turn.at) }}
              onClick={() => onSeek(turn.at)}
              title={`${clockTime(turn.at)} ${turn.asked || "the opening"}`}
            />
          ))}
        </div>
        <div class="lane" aria-hidden="true">
          {turns.map((turn) => (
            <span key={turn.number} class="bar wait" style={bar(turn.at, spoken(turn))} title={waited(turn)} />
          ))}
        </div>
        {tools.length > 0 && (
          <div class="lane" aria-hidden="true">
            {tools.map((tool) => (
              <span
                key={tool.id}
                class={`bar tool-bar ${tool.outcome ?? ""}`}
                style={bar(tool.at, tool.at + (tool.milliseconds ?? length - tool.at))}
                title={`${tool.name}: ${milliseconds(tool.milliseconds)}`}
              />
            ))}
          </div>
        )}
        <div class="lane" aria-hidden="true">
          {turns.map((turn) => (
            <Speech key={turn.number} turn={turn} silent={recording.silent.get(turn.stream) ?? null} bar={bar} />
          ))}
        </div>
        <span class="now" style={{ left: at(now) }} aria-hidden="true" />
        <div class="ticks number" aria-hidden="true">
          {[0, 0.25, 0.5, 0.75, 1].map((part) => (
            <span key={part}>{clockTime(part * length)}</span>
          ))}
        </div>
      </div>
    </div>
  );
}

interface SpeechProps {
  turn: TurnView;
  /** When it was no longer heard; null if nobody knows: then it is as long as it was sent. */
  silent: number | null;
  bar: (from: number, to: number) => Record<string, string>;
}

function Speech({ turn, silent, bar }: SpeechProps) {
  if (turn.times.frame === null) return null;
  const begin = spoken(turn);
  const end = silent ?? turn.at + (turn.times.last ?? turn.times.frame);
  const cut = turn.outcome === "interrupted" || turn.heardChars !== null;
  return <span class={cut ? "bar speech was-cut" : "bar speech"} style={bar(begin, end)} title={turn.said} />;
}

function spoken(turn: TurnView): number {
  return turn.at + (turn.times.frame ?? turn.times.last ?? 0);
}

function waited(turn: TurnView): string {
  return `waited ${milliseconds(turn.times.frame)}`;
}
