/** Calls at a glance: how many a day, and how long their callers waited for a first word. */

import { useMemo } from "preact/hooks";
import uPlot from "uplot";
import type { CallSummary } from "../api";
import { Plot } from "../parts/plot";
import { milliseconds, plural } from "../shown";
import { byDay, median } from "./days";

const HEIGHT = 120;

export function CallPlots({ calls }: { calls: CallSummary[] }) {
  return (
    <div class="plots">
      <PerDay calls={calls} />
      <FirstWords calls={calls} />
    </div>
  );
}

const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

function PerDay({ calls }: { calls: CallSummary[] }) {
  const days = useMemo(() => byDay(calls), [calls]);
  const data = useMemo<uPlot.AlignedData>(
    () => [days.map((_, index) => index), days.map((day) => day.calls), days.map((day) => day.troubled)],
    [days],
  );
  const troubled = days.reduce((sum, day) => sum + day.troubled, 0);
  const label = `${plural(calls.length, "call")} in ${plural(days.length, "day")}, ${troubled} with a failed answer`;
  const bars = uPlot.paths.bars?.({ size: [0.7, 40] });
  return (
    <figure>
      <figcaption>
        Calls a day{troubled > 0 && <span class="muted"> · {troubled} with a failed answer</span>}
      </figcaption>
      <Plot
        label={label}
        height={HEIGHT}
        data={data}
        x={(value) => {
          const day = days[value];
          return day ? shortDay.format(new Date(day.at * 1000)) : "";
        }}
        y={String}
        whole
        series={(paint) => [
          {},
          { fill: paint("accent"), width: 0, ...(bars && { paths: bars }), points: { show: false } },
          { fill: paint("bad"), width: 0, ...(bars && { paths: bars }), points: { show: false } },
        ]}
      />
    </figure>
  );
}

function FirstWords({ calls }: { calls: CallSummary[] }) {
  const spoken = useMemo(() => calls.filter((call) => call.slowest_ms > 0).reverse(), [calls]);
  const data = useMemo<uPlot.AlignedData>(
    () => [spoken.map((_, index) => index + 1), spoken.map((call) => call.slowest_ms)],
    [spoken],
  );
  if (spoken.length < 2) return null;
  const waits = spoken.map((call) => call.slowest_ms);
  const said = `median ${milliseconds(median(waits))}, longest ${milliseconds(Math.max(...waits))}`;
  return (
    <figure>
      <figcaption>
        Longest wait for a first word, call by call <span class="muted">· {said}</span>
      </figcaption>
      <Plot
        label={`Longest wait for a first word in each of ${plural(spoken.length, "call")}: ${said}`}
        height={HEIGHT}
        data={data}
        x={(value) => (value >= 1 && value <= spoken.length ? String(value) : "")}
        y={milliseconds}
        series={(paint) => [
          {},
          { stroke: paint("accent"), width: 0, paths: () => null, points: { show: true, size: 5, fill: paint("accent") } },
        ]}
      />
    </figure>
  );
}
