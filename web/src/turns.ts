/** A turn as it is shown, made of a call's events as they come, or of a call on record. */

import type { RecordedTurn, ToolRun } from "./api";

export interface ToolView {
  id: string;
  name: string;
  arguments: Record<string, unknown>;
  policy: string;
  /** Milliseconds since the call began. */
  at: number;
  /** How it ended: `ok`, `failed`, `timeout`, `refused`, `cancelled`; null while it runs. */
  outcome: string | null;
  result: string;
  milliseconds: number | null;
}

/** Milliseconds since the request; before it, they are negative. */
export interface Times {
  partial: number | null;
  token: number | null;
  frame: number | null;
  last: number | null;
  playback: number | null;
}

export interface TurnView {
  /** Its name on the wire; empty while only its number is known. */
  stream: string;
  /** Its number in the call; null while only its stream is known. */
  number: number | null;
  asked: string;
  ahead: boolean;
  /** When the request came, in milliseconds since the call began. */
  at: number;
  said: string;
  /** How much of it was heard: characters; null if all, or if nobody knows. */
  heardChars: number | null;
  outcome: string | null;
  failure: string | null;
  tools: ToolView[];
  times: Times;
}

export const NO_TIMES: Times = { partial: null, token: null, frame: null, last: null, playback: null };

// ── of a running call ──────────────────────────────────────────────────────────────────────────

type Stream = number | string;

export type CallEvent =
  | { event: "TurnBegan"; data: { turn: number; stream_id: Stream; asked: string; ahead: boolean } }
  | { event: "ModelAnswered"; data: { turn: number; first_token: number | null } }
  | {
      event: "ToolBegun";
      data: { turn: number; id: string; name: string; arguments: Record<string, unknown>; policy: string };
    }
  | { event: "ToolFinished"; data: { turn: number; id: string; result: string; outcome: string; seconds: number } }
  | { event: "TurnHeard"; data: { turn: number; heard: string; chars: number | null } }
  | {
      event: "TurnEnded";
      data: {
        turn: number;
        stream_id: Stream;
        outcome: string;
        said: string;
        first_token: number | null;
        first_frame: number | null;
        last_frame: number | null;
        failure: string | null;
      };
    };

const OF_TURNS = ["TurnBegan", "ModelAnswered", "ToolBegun", "ToolFinished", "TurnHeard", "TurnEnded"];

/** Whether an event is one of a turn's; the others are not shown. */
export function isOfTurn(event: { event: string }): event is CallEvent {
  return OF_TURNS.includes(event.event);
}

function inMs(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000;
}

function newTurn(stream: string, number: number | null, at: number): TurnView {
  return {
    stream,
    number,
    asked: "",
    ahead: false,
    at,
    said: "",
    heardChars: null,
    outcome: null,
    failure: null,
    tools: [],
    times: NO_TIMES,
  };
}

interface Name {
  stream: string;
  number: number | null;
}

/** Whether this is the turn: the page hears of it by two sockets, which know different names. */
function isCalled(turn: TurnView, { stream, number }: Name): boolean {
  if (number !== null && turn.number !== null) return turn.number === number;
  return stream !== "" && turn.stream === stream;
}

function changed(turns: TurnView[], name: Name, at: number, change: (turn: TurnView) => TurnView): TurnView[] {
  const found = turns.find((turn) => isCalled(turn, name));
  if (!found) return [...turns, change(newTurn(name.stream, name.number, at))];
  const known = { ...found, stream: found.stream || name.stream, number: found.number ?? name.number };
  return turns.map((turn) => (turn === found ? change(known) : turn));
}

/** The turns after an event; `at` is now, in milliseconds since the call began. */
export function after(turns: TurnView[], { event, data }: CallEvent, at: number): TurnView[] {
  const late = event === "TurnHeard" || event === "ToolFinished";
  if (late && !turns.some((turn) => turn.number === data.turn)) return turns; // of what nobody has seen
  const stream = "stream_id" in data ? String(data.stream_id) : "";
  return changed(turns, { stream, number: data.turn }, at, (turn) => {
    switch (event) {
      case "TurnBegan":
        return { ...turn, asked: data.asked, ahead: data.ahead };
      case "ModelAnswered":
        return { ...turn, times: { ...turn.times, token: turn.times.token ?? inMs(data.first_token) } };
      case "ToolBegun":
        return { ...turn, tools: [...turn.tools, begun(data, at)] };
      case "ToolFinished":
        return { ...turn, tools: turn.tools.map((tool) => (tool.id === data.id ? finished(tool, data) : tool)) };
      case "TurnHeard":
        return { ...turn, heardChars: data.chars ?? turn.heardChars };
      case "TurnEnded":
        return {
          ...turn,
          outcome: data.outcome,
          said: data.said,
          failure: data.failure,
          times: {
            ...turn.times,
            token: inMs(data.first_token) ?? turn.times.token,
            frame: inMs(data.first_frame),
            last: inMs(data.last_frame),
          },
        };
      default:
        return turn;
    }
  });
}

type Begun = Extract<CallEvent, { event: "ToolBegun" }>["data"];
type Finished = Extract<CallEvent, { event: "ToolFinished" }>["data"];

function begun({ id, name, arguments: given, policy }: Begun, at: number): ToolView {
  return { id, name, arguments: given, policy, at, outcome: null, result: "", milliseconds: null };
}

function finished(tool: ToolView, { outcome, result, seconds }: Finished): ToolView {
  return { ...tool, outcome, result, milliseconds: seconds * 1000 };
}

/** The words of an answer so far; a turn that has ended has told them itself. */
export function withWords(turns: TurnView[], stream: string, said: string, at: number): TurnView[] {
  return changed(turns, { stream, number: null }, at, (turn) => (turn.outcome === null ? { ...turn, said } : turn));
}

/** What was played of an answer that was cut. */
export function withCut(turns: TurnView[], stream: string, heard: string, at: number): TurnView[] {
  const heardChars = Array.from(heard).length;
  return changed(turns, { stream, number: null }, at, (turn) => ({ ...turn, heardChars }));
}

/** A turn with times that only the page knows: when it heard the caller's words, and when sound came. */
export function withTimes(turns: TurnView[], stream: string, times: Partial<Times>): TurnView[] {
  return turns.map((turn) => (turn.stream === stream ? { ...turn, times: { ...turn.times, ...times } } : turn));
}

// ── of a call on record ────────────────────────────────────────────────────────────────────────

function recordedTool(run: ToolRun): ToolView {
  return {
    id: run.id,
    name: run.name,
    arguments: run.arguments ?? {},
    policy: run.policy ?? "",
    at: run.at_ms,
    outcome: run.outcome,
    result: run.result ?? "",
    milliseconds: run.duration_ms,
  };
}

export function recorded(turn: RecordedTurn): TurnView {
  return {
    stream: turn.stream_id,
    number: turn.number,
    asked: turn.asked ?? "",
    ahead: turn.ahead,
    at: turn.at_ms,
    said: turn.said ?? "",
    heardChars: turn.heard_chars,
    outcome: turn.outcome,
    failure: turn.failure,
    tools: turn.tool_runs.map(recordedTool),
    times: {
      ...NO_TIMES,
      token: turn.first_token_ms,
      frame: turn.first_frame_ms,
      last: turn.last_frame_ms,
    },
  };
}

/** What was heard of a turn, and what was cut. */
export function heardAndCut(turn: TurnView): { heard: string; cut: string } {
  if (turn.heardChars === null) return { heard: turn.said, cut: "" };
  // The bridge counts characters, JavaScript counts halves of some of them.
  const characters = Array.from(turn.said);
  return {
    heard: characters.slice(0, turn.heardChars).join(""),
    cut: characters.slice(turn.heardChars).join(""),
  };
}
