/** How long the caller waited, and for what: partial → request → first token → first frame → playback. */

import { milliseconds } from "../shown";
import type { Times } from "../turns";

/** The strip is at least this long, so that quick turns look quick beside slow ones. */
const SHORTEST = 1000;

const STEPS = [
  { name: "partial", label: "partial" },
  { name: "request", label: "request" },
  { name: "token", label: "first token" },
  { name: "frame", label: "first frame" },
  { name: "playback", label: "playback" },
] as const;

export function LatencyStrip({ times }: { times: Times }) {
  const at = { ...times, request: 0 };
  const known = STEPS.filter(({ name }) => at[name] !== null);
  if (known.length < 2) return <span class="latency" />;
  const from = Math.min(0, times.partial ?? 0);
  const to = Math.max(...known.map(({ name }) => at[name] ?? 0));
  const scale = Math.max(to - from, SHORTEST);
  const place = (ms: number) => `${Math.min(100, (100 * (ms - from)) / scale)}%`;
  return (
    <span class="latency">
      <span class="strip" aria-hidden="true">
        {known.slice(1).map(({ name }, index) => {
          const begin = at[known[index]?.name ?? "request"] ?? 0;
          const width = Math.max(0, (at[name] ?? 0) - begin);
          return (
            <span
              key={name}
              class={`step ${name}`}
              style={{ left: place(begin), width: `${(100 * width) / scale}%` }}
            />
          );
        })}
      </span>
      <span class="steps">
        {known.map(({ name, label }) => (
          <span key={name} class="step-text">
            <i class={`dot ${name}`} aria-hidden="true" />
            {label} {name === "request" ? "" : <b class="number">{signed(at[name] ?? 0)}</b>}
          </span>
        ))}
      </span>
    </span>
  );
}

function signed(ms: number): string {
  return ms < 0 ? `−${milliseconds(-ms)}` : milliseconds(ms);
}
