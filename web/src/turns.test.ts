import { expect, test } from "vitest";
import type { RecordedTurn } from "./api";
import { type CallEvent, type TurnView, after, heardAndCut, recorded, withCut, withTimes, withWords } from "./turns";

function told(...events: CallEvent[]): TurnView[] {
  return events.reduce<TurnView[]>((turns, event, index) => after(turns, event, 100 * index), []);
}

const BEGAN: CallEvent = { event: "TurnBegan", data: { turn: 2, stream_id: 7, asked: "Where is it?", ahead: false } };
const ENDED: CallEvent = {
  event: "TurnEnded",
  data: {
    turn: 2,
    stream_id: 7,
    outcome: "complete",
    said: "It is here.",
    first_token: 0.05,
    first_frame: 0.06,
    last_frame: 0.2,
    failure: null,
  },
};

test("a turn is asked, says its words as they come, and ends", () => {
  const asked = told(BEGAN);
  expect(asked).toMatchObject([{ number: 2, stream: "7", asked: "Where is it?", outcome: null }]);
  expect(withWords(asked, "7", "It is", 50)).toMatchObject([{ said: "It is" }]);
  expect(after(asked, ENDED, 300)).toMatchObject([
    { said: "It is here.", outcome: "complete", times: { token: 50, frame: 60, last: 200 } },
  ]);
});

test("words that come late do not undo what the turn said of itself", () => {
  expect(withWords(told(BEGAN, ENDED), "7", "It", 500)).toMatchObject([{ said: "It is here." }]);
});

test("a turn that began before the page watched is known by its stream, and gets its number later", () => {
  const heard = withWords([], "7", "It is", 40);
  expect(heard).toMatchObject([{ number: null, stream: "7", at: 40 }]);
  expect(after(heard, ENDED, 300)).toMatchObject([{ number: 2, stream: "7", said: "It is here.", at: 40 }]);
});

test("the end of what nobody saw begin is no turn", () => {
  expect(told({ event: "TurnHeard", data: { turn: 1, heard: "", chars: 0 } })).toEqual([]);
});

test("a tool that began ahead is the turn's once that begins", () => {
  const use = { turn: 2, id: "t1", name: "look", arguments: { day: "Saturday" }, policy: "reads only" };
  const running = told({ event: "ToolBegun", data: use }, BEGAN);
  expect(running).toMatchObject([{ stream: "7", tools: [{ name: "look", outcome: null }] }]);
  const result = { turn: 2, id: "t1", result: "open", outcome: "ok", seconds: 0.3 };
  expect(after(running, { event: "ToolFinished", data: result }, 400)).toMatchObject([
    { tools: [{ outcome: "ok", result: "open", milliseconds: 300 }] },
  ]);
});

test("times that the page knows go to the turn that they are of", () => {
  const turns = withTimes(told(BEGAN, ENDED), "7", { playback: 90 });
  expect(turns).toMatchObject([{ times: { playback: 90, frame: 60 } }]);
});

test("what was cut begins where hearing ended, by characters and not by halves of them", () => {
  const turns = withCut(withWords(told(BEGAN), "7", "👋 hello there", 10), "7", "👋 hello", 20);
  expect(turns.map(heardAndCut)).toEqual([{ heard: "👋 hello", cut: " there" }]);
});

test("a turn nobody spoke over was heard whole", () => {
  expect(told(BEGAN, ENDED).map(heardAndCut)).toEqual([{ heard: "It is here.", cut: "" }]);
});

test("a turn on record is shown as one that was watched", () => {
  const turn: RecordedTurn = {
    number: 2,
    stream_id: "7",
    at_ms: 0,
    place: 0,
    ahead: false,
    asked: "Where is it?",
    said: "It is here.",
    said_chars: 11,
    heard: null,
    heard_chars: null,
    outcome: "complete",
    failure: null,
    model: null,
    first_token_ms: 50,
    first_frame_ms: 60,
    last_frame_ms: 200,
    tools_ms: 0,
    tool_runs: [],
  };
  expect([recorded(turn)]).toEqual(told(BEGAN, ENDED));
});
