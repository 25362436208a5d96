/** Calls on record, newest first: looked for, counted, and listed. */

import { useEffect, useState } from "preact/hooks";
import { type CallPage, type CallSummary, get } from "../api";
import { callsVersion } from "../news";
import { Badge, Command, Empty, Trouble, useLoaded } from "../parts/basics";
import { linkTo } from "../route";
import { milliseconds, moment, plural } from "../shown";
import { Filters, type Wanted, NOTHING, queryOf } from "./filters";
import { CallPlots } from "./plots";

const MORE = 100;

export function CallList() {
  const [wanted, setWanted] = useState<Wanted>(NOTHING);
  const [limit, setLimit] = useState(MORE);
  const query = queryOf(wanted, Math.min(limit, 200));
  const { value, error, reload } = useLoaded(() => pages(query, limit), [query, limit, callsVersion.value]);
  useEffect(() => setLimit(MORE), [query]);
  const narrowed = queryOf(wanted, 1) !== queryOf(NOTHING, 1);
  return (
    <div class="page">
      <h1 class="hidden">Calls</h1>
      <Filters value={wanted} onChange={setWanted} />
      {error !== null && <Trouble error={error} again={reload} />}
      {value?.calls.length === 0 && (narrowed ? <NoneFound onAll={() => setWanted(NOTHING)} /> : <NoneYet />)}
      {value !== null && value.calls.length > 0 && (
        <>
          <CallPlots calls={value.calls} />
          <Table calls={value.calls} />
          <p class="muted summary-line">
            {plural(value.calls.length, "call")}
            {value.next !== null && (
              <>
                {" shown "}
                <button class="small" onClick={() => setLimit(limit + MORE)}>
                  Show more
                </button>
              </>
            )}
          </p>
        </>
      )}
    </div>
  );
}

async function pages(query: string, limit: number): Promise<CallPage> {
  const calls: CallSummary[] = [];
  let next: string | null = null;
  do {
    const after: string = next === null ? "" : `&after=${encodeURIComponent(next)}`;
    const page: CallPage = await get<CallPage>(`record/calls?${query}${after}`);
    calls.push(...page.calls);
    next = page.next;
  } while (next !== null && calls.length < limit);
  return { calls, next };
}

function NoneYet() {
  return (
    <Empty title="No calls on record yet">
      <p>
        <a href={linkTo("talk")}>Talk to your agent</a>, or call it from a terminal:
      </p>
      <Command>bridge chat</Command>
    </Empty>
  );
}

function NoneFound({ onAll }: { onAll: () => void }) {
  return (
    <Empty title="No call is like that">
      <button onClick={onAll}>Show all</button>
    </Empty>
  );
}

function Table({ calls }: { calls: CallSummary[] }) {
  return (
    <div class="scroll">
      <table class="calls">
        <thead>
          <tr>
            <th scope="col">Began</th>
            <th scope="col">Session</th>
            <th scope="col">Agent</th>
            <th scope="col">Caller</th>
            <th scope="col" class="right">
              Turns
            </th>
            <th scope="col" class="right">
              Tools
            </th>
            <th scope="col" class="right">
              Slowest word
            </th>
            <th scope="col">
              <span class="hidden">How it went</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {calls.map((call) => (
            <Row key={call.id} call={call} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ call }: { call: CallSummary }) {
  const persona = call.persona && call.persona !== "default" ? ` · ${call.persona}` : "";
  return (
    <tr>
      <td class="number">{moment(call.started_at)}</td>
      <th scope="row">
        <a class="mono row-link" href={linkTo("calls", call.session_id)}>
          {call.session_id}
        </a>
      </th>
      <td data-name="agent">
        {call.agent_id || "–"}
        {persona}
      </td>
      <td data-name="caller">{call.caller ?? call.user_id ?? "–"}</td>
      <td class="right number" data-name="turns">
        {call.turns}
      </td>
      <td class="right number" data-name="tools">
        {call.tools}
      </td>
      <td class="right number" data-name="slowest">
        {milliseconds(call.slowest_ms)}
      </td>
      <td>
        <CallBadges call={call} />
      </td>
    </tr>
  );
}

export function CallBadges({ call }: { call: CallSummary }) {
  return (
    <span class="badges">
      {call.state === "live" && <Badge tone="accent">live</Badge>}
      {(call.state === "aborted" || call.state === "lost") && <Badge tone="bad">{call.state}</Badge>}
      {call.interrupted > 0 && <Badge tone="warn">{call.interrupted} cut</Badge>}
      {call.failed > 0 && <Badge tone="bad">{call.failed} failed</Badge>}
      {call.ending === "transferred" && <Badge>transferred</Badge>}
    </span>
  );
}
