/** Calls, counted by day and put in order, for plots. */

import type { CallSummary } from "../api";

export interface Day {
  /** Its first second, local time, since 1970. */
  at: number;
  calls: number;
  troubled: number;
}

/** Every day to that of the newest call, also those without any. */
export function byDay(calls: CallSummary[], fewest = 14, most = 30): Day[] {
  const days = new Map<number, Day>();
  for (const call of calls) {
    const at = dayOf(new Date(call.started_at));
    const day = days.get(at) ?? { at, calls: 0, troubled: 0 };
    day.calls += 1;
    if (call.failed > 0) day.troubled += 1;
    days.set(at, day);
  }
  const known = [...days.keys()].sort((a, b) => a - b);
  const last = known.at(-1);
  if (last === undefined) return [];
  const first = known[0] ?? last;
  const all: Day[] = [];
  for (let at = last; all.length < most && (at >= first || all.length < fewest); at = dayBefore(at)) {
    all.unshift(days.get(at) ?? { at, calls: 0, troubled: 0 });
  }
  return all;
}

function dayOf(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime() / 1000;
}

function dayBefore(at: number): number {
  const date = new Date(at * 1000);
  date.setDate(date.getDate() - 1); // days have 23 to 25 hours
  return date.getTime() / 1000;
}

/** Half of the values are this or less. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
