import { expect, test } from "vitest";
import type { CallDetail, Frame } from "../api";
import { asOf, beingSaid, recordingOf } from "./moments";

function words(at: number, content: string): Frame {
  return { at_ms: at, way: "out", message: { type: "stream_response", data: { stream_id: 7, content } } };
}

const PARTIAL: Frame = {
  at_ms: 900,
  way: "in",
  message: { type: "partial_transcript", data: { session_id: "s", transcript: "Where is", is_final: false } },
};
const INTERRUPT: Frame = { at_ms: 1800, way: "in", message: { type: "interrupt", stream_id: 7 } };

function call(frames: Frame[] | null): CallDetail {
  return {
    started_at: "2026-11-21T10:00:00Z",
    ended_at: "2026-11-21T10:00:03Z",
    timeline: [
      {
        number: 1,
        stream_id: "7",
        at_ms: 1000,
        asked: "Where is it?",
        said: "It is here.",
        heard_chars: 5,
        outcome: "complete",
        first_token_ms: 200,
        first_frame_ms: 250,
        last_frame_ms: 650,
        tool_runs: [{ id: "t", turn: 1, name: "look", at_ms: 1050, duration_ms: 100, outcome: "ok", result: "here" }],
      },
    ],
    frames,
  } as unknown as CallDetail;
}

const FRAMES = [PARTIAL, words(1250, "It is "), words(1600, "here."), INTERRUPT];

test("a call lasts until its end", () => {
  expect(recordingOf(call(FRAMES)).length).toBe(3000);
});

test("before a turn is asked for, one sees what the caller is saying", () => {
  const recording = recordingOf(call(FRAMES));
  expect(asOf(recording, 950)).toEqual([]);
  expect(beingSaid(recording, 950)).toBe("Where is");
  expect(beingSaid(recording, 1000)).toBe("");
});

test("a tool runs, then has its result", () => {
  const recording = recordingOf(call(FRAMES));
  expect(asOf(recording, 1100)).toMatchObject([{ said: "", outcome: null, tools: [{ outcome: null, result: "" }] }]);
  expect(asOf(recording, 1200)).toMatchObject([{ tools: [{ outcome: "ok", result: "here" }] }]);
});

test("words appear as they were sent, and are cut when the caller spoke", () => {
  const recording = recordingOf(call(FRAMES));
  expect(asOf(recording, 1300)).toMatchObject([{ said: "It is ", heardChars: null, times: { token: 200, frame: 250 } }]);
  expect(asOf(recording, 1700)).toMatchObject([{ said: "It is here.", heardChars: null }]);
  expect(asOf(recording, 1800)).toMatchObject([{ said: "It is here.", heardChars: 5, outcome: "complete" }]);
});

test("without frames the words are spread over the time that they took", () => {
  const recording = recordingOf(call(null));
  expect(asOf(recording, 1450)).toMatchObject([{ said: "It is " }]);
  expect(asOf(recording, 3000)).toMatchObject([{ said: "It is here.", heardChars: 5 }]);
});
