/** A plot in the colours of the page, drawn again when they change. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { colour, repaint } from "../theme";

interface Props {
  /** What it shows, for those who cannot see it. */
  label: string;
  height: number;
  data: uPlot.AlignedData;
  series: (paint: (name: string) => string) => uPlot.Series[];
  y: (value: number) => string;
  /** Of the things along it, which are numbered. */
  x: (value: number) => string;
  /** The values along it are numbers of things. */
  whole?: boolean;
}

const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/** Room for half a bar at both ends, and for a few bars not to look like many. */
function withRoom(min: number, max: number): [number, number] {
  const room = Math.max(0.7, (6 - max + min) / 2);
  return [min - room, max + room];
}

export function Plot({ label, height, data, series, y, x, whole = false }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const painted = repaint.value;
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const width = () => Math.max(200, box.clientWidth);
    const axis: uPlot.Axis = {
      stroke: colour("muted"),
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    const options: uPlot.Options = {
      width: width(),
      height,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: (_, min, max) => withRoom(min, max) },
        y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 24, incrs: WHOLE, values: (_, at) => at.map(x) },
        { ...axis, size: 52, values: (_, at) => at.map(y), space: 22, ...(whole && { incrs: WHOLE }) },
      ],
      series: series(colour),
    };
    const plot = new uPlot(options, data, box);
    const watch = new ResizeObserver(() => plot.setSize({ width: width(), height }));
    watch.observe(box);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [data, height, painted]);
  return <div class="plot" ref={place} role="img" aria-label={label} style={{ height: `${height}px` }} />;
}
