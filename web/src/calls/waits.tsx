/** How long the caller waited in each turn of a call. */

import { useMemo } from "preact/hooks";
import uPlot from "uplot";
import { Plot } from "../parts/plot";
import { milliseconds, plural } from "../shown";
import type { TurnView } from "../turns";
import { median } from "./days";

export function TurnWaits({ turns }: { turns: TurnView[] }) {
  const spoken = useMemo(() => turns.filter((turn) => turn.times.frame !== null), [turns]);
  const data = useMemo<uPlot.AlignedData>(
    () => [spoken.map((turn) => turn.number ?? 0), spoken.map((turn) => turn.times.frame)],
    [spoken],
  );
  if (spoken.length < 3) return null;
  const waits = spoken.map((turn) => turn.times.frame ?? 0);
  const said = `median ${milliseconds(median(waits))}, longest ${milliseconds(Math.max(...waits))}`;
  const bars = uPlot.paths.bars?.({ size: [0.6, 28] });
  return (
    <figure>
      <figcaption>
        First word, turn by turn <span class="muted">· {said}</span>
      </figcaption>
      <Plot
        label={`Wait for the first word in ${plural(spoken.length, "turn")}: ${said}`}
        height={100}
        data={data}
        x={(value) => (spoken.some((turn) => turn.number === value) ? String(value) : "")}
        y={milliseconds}
        series={(paint) => [{}, { fill: paint("accent"), width: 0, ...(bars && { paths: bars }), points: { show: false } }]}
      />
    </figure>
  );
}
