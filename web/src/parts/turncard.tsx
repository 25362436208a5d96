/** One turn: what was asked, what was done, what was said, how much was heard, and how long it took. */

import { argument, clockTime, milliseconds } from "../shown";
import { type ToolView, type TurnView, heardAndCut } from "../turns";
import { Badge, Data, Outcome } from "./basics";
import { LatencyStrip } from "./latency";

interface Props {
  turn: TurnView;
  current?: boolean;
  /** Go to the moment when the turn began, where there is one to go to. */
  onSeek?: (ms: number) => void;
}

export function TurnCard({ turn, current = false, onSeek }: Props) {
  return (
    <article class={current ? "turn current" : "turn"} aria-label={`Turn ${turn.number ?? turn.stream}`}>
      {turn.asked && (
        <p class="line caller">
          <span class="who">Caller</span>
          <span class="words">{turn.asked}</span>
        </p>
      )}
      {turn.tools.map((tool) => (
        <ToolCard key={tool.id} tool={tool} />
      ))}
      <Said turn={turn} />
      <footer class="turn-foot">
        <LatencyStrip times={turn.times} />
        <span class="badges">
          {turn.ahead && <Badge tone="accent">begun ahead</Badge>}
          {turn.outcome && turn.outcome !== "complete" && <Outcome of={turn.outcome} />}
          {turn.failure && <Badge tone="bad">{turn.failure.replaceAll("_", " ")}</Badge>}
          {onSeek && (
            <button class="small quiet number" title="Go there" onClick={() => onSeek(turn.at)}>
              {clockTime(turn.at)}
              <span class="hidden"> go there</span>
            </button>
          )}
        </span>
      </footer>
    </article>
  );
}

function Said({ turn }: { turn: TurnView }) {
  const { heard, cut } = heardAndCut(turn);
  const waiting = !turn.said && turn.outcome === null;
  return (
    <p class="line agent">
      <span class="who">Agent</span>
      <span class="words">
        {waiting && <span class="muted">…</span>}
        {!turn.said && turn.outcome !== null && <span class="muted">said nothing</span>}
        {heard}
        {cut && (
          <>
            <span class="cut-mark" title="Here the caller spoke">
              ⁄⁄<span class="hidden"> cut here; not heard: </span>
            </span>
            <del class="cut">{cut}</del>
          </>
        )}
      </span>
    </p>
  );
}

export function ToolCard({ tool }: { tool: ToolView }) {
  const names = Object.keys(tool.arguments);
  return (
    <details class={`tool ${tool.outcome ?? "running"}`}>
      <summary>
        <span class="tool-name">{tool.name}</span>
        <span class="tool-arguments">
          {names.map((name) => (
            <span key={name}>
              <span class="muted">{name}</span> {argument(tool.arguments[name])}
            </span>
          ))}
        </span>
        <span class="tool-end">
          {tool.outcome === null ? <Badge tone="accent">running</Badge> : <Outcome of={tool.outcome} />}
          <span class="muted number">{tool.milliseconds === null ? "" : milliseconds(tool.milliseconds)}</span>
        </span>
        {tool.outcome !== null && <span class="tool-result">{tool.result || "no result"}</span>}
      </summary>
      <div class="tool-more">
        {tool.policy && <p class="muted">{tool.policy}</p>}
        <Data value={tool.arguments} label={`Arguments of ${tool.name}`} />
        {tool.outcome !== null && <Data value={tool.result} label={`Result of ${tool.name}`} />}
      </div>
    </details>
  );
}
