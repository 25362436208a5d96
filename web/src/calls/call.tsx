/** One call: what is known of it, its timeline, and every turn. */

import { useMemo, useState } from "preact/hooks";
import { type CallDetail, Problem, get } from "../api";
import { callsVersion } from "../news";
import { Command, Data, Empty, Trouble, useLoaded } from "../parts/basics";
import { ToolCard, TurnCard } from "../parts/turncard";
import { linkTo } from "../route";
import { clockTime, moment, plural } from "../shown";
import { recorded } from "../turns";
import { Lanes } from "./lanes";
import { CallBadges } from "./list";
import { asOf, beingSaid, recordingOf } from "./moments";
import { Player } from "./player";
import { TurnWaits } from "./waits";

export function CallShown({ name }: { name: string }) {
  const [live, setLive] = useState(true);
  const { value, error, reload } = useLoaded(
    () => get<{ calls: CallDetail[] }>(`record/calls/${encodeURIComponent(name)}?frames=true`),
    [name, live ? callsVersion.value : ""],
  );
  const calls = value?.calls ?? [];
  const going = calls.some((call) => call.state === "live");
  if (value !== null && going !== live) setLive(going);
  if (error instanceof Problem && error.status === 404) {
    return (
      <Empty title="No call of that name is on record">
        <p class="muted">A call that has just begun comes here a second later.</p>
        <button onClick={reload}>Look again</button>
      </Empty>
    );
  }
  if (error !== null) return <Trouble error={error} again={reload} />;
  if (value === null) return <Empty title="Loading…" />;
  return (
    <>
      {calls.map((call, index) => (
        <Connection key={call.id} call={call} number={calls.length > 1 ? index + 1 : 0} />
      ))}
    </>
  );
}

function Connection({ call, number }: { call: CallDetail; number: number }) {
  const recording = useMemo(() => recordingOf(call), [call]);
  const [now, setNow] = useState<number | null>(null);
  const shown = now ?? recording.length;
  const turns = now === null ? recording.turns : asOf(recording, now);
  const saying = now === null ? "" : beingSaid(recording, now);
  return (
    <section aria-label={`Call ${call.session_id}`}>
      <header class="call-head">
        <h1 class="mono">{call.session_id}</h1>
        {number > 0 && <span class="muted">connection {number}</span>}
        <CallBadges call={call} />
      </header>
      <Facts call={call} length={recording.length} />
      {call.level === "metadata" ? (
        <Empty title="No words were kept of this call">
          <p class="muted">BRIDGE_RECORD is “metadata”: times and tools only.</p>
        </Empty>
      ) : null}
      {recording.turns.length > 0 && (
        <>
          <Lanes recording={recording} now={shown} onSeek={setNow} />
          <Player length={recording.length} now={shown} onNow={setNow} />
          <TurnWaits turns={recording.turns} />
        </>
      )}
      {recording.turns.length === 0 && call.tool_runs.length === 0 && <Empty title="Nothing was said in this call" />}
      <div class="turns">
        {call.tool_runs.map((run) => {
          const [tool] = recorded({ ...EMPTY_TURN, tool_runs: [run] }).tools;
          return tool && <ToolCard key={tool.id} tool={tool} />;
        })}
        {turns.map((turn, index) => (
          <TurnCard key={turn.stream} turn={turn} current={now !== null && index === turns.length - 1} onSeek={setNow} />
        ))}
        {saying && (
          <p class="line caller saying">
            <span class="who">Caller</span>
            <span class="words">{saying}</span>
          </p>
        )}
      </div>
      <p class="compare">
        <span class="muted">Against today's prompts, tools and model:</span>{" "}
        <Command>{`bridge replay ${quoted(call.session_id)}`}</Command>
      </p>
    </section>
  );
}

const EMPTY_TURN = {
  number: -1,
  stream_id: "",
  at_ms: 0,
  place: -1,
  ahead: false,
  asked: null,
  said: null,
  said_chars: 0,
  heard: null,
  heard_chars: null,
  outcome: "",
  failure: null,
  model: null,
  first_token_ms: null,
  first_frame_ms: null,
  last_frame_ms: null,
  tools_ms: 0,
};

/** As a shell takes it: the name came from outside. */
function quoted(name: string): string {
  return /^[\w.:-]+$/.test(name) && !name.startsWith("-") ? name : `'${name.replaceAll("'", "'\\''")}'`;
}

function Facts({ call, length }: { call: CallDetail; length: number }) {
  const facts: [string, string][] = [
    ["began", moment(call.started_at)],
    ["length", call.state === "live" ? "still going on" : clockTime(length)],
    ["agent", [call.agent_id || "–", call.persona].filter(Boolean).join(" · ")],
    ["caller", call.caller ?? call.user_id ?? "–"],
    ["turns", `${call.turns}, ${plural(call.tools, "tool")}`],
    ["tokens", `${call.tokens_in} in, ${call.tokens_out} out`],
    ["ended", call.ending?.replaceAll("_", " ") ?? call.state],
  ];
  return (
    <>
      <dl class="facts">
        {facts.map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
        {call.continues && (
          <div>
            <dt>goes on from</dt>
            <dd>
              <a href={linkTo("calls", call.continues)}>{call.continues}</a>
            </dd>
          </div>
        )}
      </dl>
      {call.metadata && Object.keys(call.metadata).length > 0 && (
        <details>
          <summary>Metadata</summary>
          <Data value={call.metadata} label="Metadata" />
        </details>
      )}
    </>
  );
}
