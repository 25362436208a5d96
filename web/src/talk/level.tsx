/** How loud the caller and the agent are, so that one sees whether sound comes at all. */

import { useEffect, useRef } from "preact/hooks";
import { levels } from "./call";

export function Level() {
  const { caller, agent } = levels.value;
  if (!caller || !agent) return null;
  return (
    <div class="levels" aria-hidden="true">
      <Meter name="you" analyser={caller} />
      <Meter name="agent" analyser={agent} />
    </div>
  );
}

function Meter({ name, analyser }: { name: string; analyser: AnalyserNode }) {
  const bar = useRef<HTMLElement>(null);
  useEffect(() => {
    const samples = new Float32Array(analyser.fftSize);
    let frame = requestAnimationFrame(function look() {
      analyser.getFloatTimeDomainData(samples);
      const loudest = samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
      if (bar.current) bar.current.style.transform = `scaleX(${Math.min(1, Math.sqrt(loudest))})`;
      frame = requestAnimationFrame(look);
    });
    return () => cancelAnimationFrame(frame);
  }, [analyser]);
  return (
    <span class="meter">
      <span class="muted">{name}</span>
      <span class="meter-space">
        <i ref={bar} />
      </span>
    </span>
  );
}
