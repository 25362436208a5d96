/** A call on record, as it was at any moment of it: for stepping through it in time. */

import { type CallDetail, type Frame, isRecord } from "../api";
import { type TurnView, recorded } from "../turns";

interface Sent {
  at: number;
  text: string;
}

export interface Recording {
  turns: TurnView[];
  /** Milliseconds from the first to the last thing that is known of it. */
  length: number;
  /** What was sent to be spoken, turn by turn, as it left; none if frames were not kept. */
  sent: Map<string, Sent[]>;
  /** When it was no longer heard: it was played to its end, or the caller spoke over it. */
  silent: Map<string, number>;
  /** What was recognised of the caller's words before the turn was asked for. */
  partials: Sent[];
}

export function recordingOf(call: CallDetail): Recording {
  const turns = call.timeline.map(recorded);
  const ends = [
    ...turns.map((turn) => turn.at + (turn.times.last ?? turn.times.frame ?? 0)),
    ...turns.flatMap((turn) => turn.tools.map((tool) => tool.at + (tool.milliseconds ?? 0))),
    ...(call.frames ?? []).map((frame) => frame.at_ms),
    call.ended_at === null ? 0 : Date.parse(call.ended_at) - Date.parse(call.started_at),
  ];
  return { turns, length: Math.max(1, ...ends), sent: sentOf(call.frames), silent: silentOf(call.frames), partials: partialsOf(call.frames) };
}

function sentOf(frames: Frame[] | null): Map<string, Sent[]> {
  const sent = new Map<string, Sent[]>();
  for (const { at_ms: at, message } of frames ?? []) {
    if (message.type !== "stream_response" || !isRecord(message.data)) continue;
    const stream = String(message.data.stream_id);
    const text = message.data.content;
    if (typeof text !== "string" || !text) continue;
    sent.set(stream, [...(sent.get(stream) ?? []), { at, text }]);
  }
  return sent;
}

function silentOf(frames: Frame[] | null): Map<string, number> {
  const silent = new Map<string, number>();
  for (const { at_ms: at, message } of frames ?? []) {
    if (message.type !== "playback_finished" && message.type !== "interrupt") continue;
    const told = isRecord(message.data) ? message.data.stream_id : message.stream_id;
    if (told !== undefined && !silent.has(String(told))) silent.set(String(told), at);
  }
  return silent;
}

function partialsOf(frames: Frame[] | null): Sent[] {
  const partials: Sent[] = [];
  for (const { at_ms: at, message } of frames ?? []) {
    if (message.type !== "partial_transcript" || !isRecord(message.data)) continue;
    if (typeof message.data.transcript === "string") partials.push({ at, text: message.data.transcript });
  }
  return partials;
}

/** The call as it was after so many milliseconds. */
export function asOf(recording: Recording, now: number): TurnView[] {
  return recording.turns.filter((turn) => turn.at <= now).map((turn) => turnAsOf(recording, turn, now));
}

function turnAsOf(recording: Recording, turn: TurnView, now: number): TurnView {
  const over = recording.silent.get(turn.stream) ?? nextAfter(recording, turn);
  const tools = turn.tools
    .filter((tool) => tool.at <= now)
    .map((tool) =>
      tool.at + (tool.milliseconds ?? 0) <= now ? tool : { ...tool, outcome: null, result: "", milliseconds: null },
    );
  const done = now >= turn.at + (turn.times.last ?? 0) && wasSent(recording, turn, now) === turn.said;
  if (done) return { ...turn, tools, heardChars: now >= over ? turn.heardChars : null };
  const until = (ms: number | null) => (ms !== null && turn.at + ms <= now ? ms : null);
  const times = { ...turn.times, token: until(turn.times.token), frame: until(turn.times.frame), last: null };
  return { ...turn, tools, said: wasSent(recording, turn, now), outcome: null, failure: null, heardChars: null, times };
}

/** When the caller spoke again. */
function nextAfter(recording: Recording, turn: TurnView): number {
  return recording.turns.find((other) => other.at > turn.at)?.at ?? recording.length;
}

function wasSent(recording: Recording, turn: TurnView, now: number): string {
  const sent = recording.sent.get(turn.stream);
  const end = turn.at + (turn.times.last ?? turn.times.frame ?? 0);
  if (now >= end) return turn.said;
  if (sent) {
    const words = sent.filter((one) => one.at <= now).map((one) => one.text);
    return words.join("");
  }
  const begin = turn.at + (turn.times.frame ?? 0);
  if (now < begin) return "";
  return turn.said.slice(0, Math.ceil((turn.said.length * (now - begin)) / Math.max(1, end - begin)));
}

/** What the caller is just saying, as far as it was recognised. */
export function beingSaid(recording: Recording, now: number): string {
  const partial = recording.partials.filter((one) => one.at <= now).at(-1);
  const asked = recording.turns.filter((turn) => turn.at <= now).at(-1);
  return partial && (!asked || partial.at > asked.at) ? partial.text : "";
}
