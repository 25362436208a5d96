import { expect, test } from "vitest";
import type { CallSummary } from "../api";
import { byDay, median } from "./days";

function at(day: number, failed = 0): CallSummary {
  return { started_at: new Date(2026, 9, day, 23, 30).toISOString(), failed } as CallSummary;
}

test("days without a call are there, too, also when the clocks change", () => {
  const days = byDay([at(27), at(24, 1), at(24)], 1); // in Europe the clocks change on the 25th
  expect(days.map((day) => [new Date(day.at * 1000).getDate(), day.calls, day.troubled])).toEqual([
    [24, 2, 1],
    [25, 0, 0],
    [26, 0, 0],
    [27, 1, 0],
  ]);
});

test("of many days the newest are left", () => {
  expect(byDay([at(1), at(30)], 1, 7)).toHaveLength(7);
});

test("half of the values are no more than the median", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([])).toBe(0);
});

test("of few days there are enough to be compared", () => {
  expect(byDay([at(30)]).map((day) => day.calls)).toEqual([...Array<number>(13).fill(0), 1]);
});
