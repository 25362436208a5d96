/** Steps through a call in time: a slider, play and pause, and how fast. */

import { useEffect, useRef, useState } from "preact/hooks";
import { clockTime } from "../shown";

const SPEEDS = [1, 2, 4, 8];

interface Props {
  length: number;
  now: number;
  onNow: (ms: number) => void;
}

export function Player({ length, now, onNow }: Props) {
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const at = useRef(now);
  at.current = now;
  useEffect(() => {
    if (!playing) return;
    let before = performance.now();
    let frame = requestAnimationFrame(function step(clock) {
      const next = Math.min(length, at.current + (clock - before) * speed);
      before = clock;
      onNow(next);
      if (next < length) frame = requestAnimationFrame(step);
      else setPlaying(false);
    });
    return () => cancelAnimationFrame(frame);
  }, [playing, speed, length]);
  const play = () => {
    if (!playing && now >= length) onNow(0);
    setPlaying(!playing);
  };
  return (
    <div class="player" role="group" aria-label="Replay">
      <button class="primary" onClick={play}>
        {playing ? "Pause" : "Replay"}
      </button>
      <input
        type="range"
        min={0}
        max={length}
        step={10}
        value={now}
        aria-label="Moment"
        aria-valuetext={`${clockTime(now)} of ${clockTime(length)}`}
        onInput={(event) => onNow(Number(event.currentTarget.value))}
      />
      <span class="number">
        {clockTime(now)} / {clockTime(length)}
      </span>
      <label class="inline">
        <span class="hidden">Speed</span>
        <select value={speed} onChange={(event) => setSpeed(Number(event.currentTarget.value))}>
          {SPEEDS.map((one) => (
            <option key={one} value={one}>
              {one}×
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
