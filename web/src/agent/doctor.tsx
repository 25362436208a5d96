/** The findings of `bridge doctor`, of the bridge as it runs. */

import { useState } from "preact/hooks";
import { type Finding, post } from "../api";
import { agentVersion } from "../news";
import { Badge, Trouble, useLoaded } from "../parts/basics";

const TONES = { ok: "ok", warning: "warn", problem: "bad" } as const;

export function Doctor() {
  const { value, error, reload } = useLoaded(
    () => post<Finding[]>("api/doctor", { ask_models: false }),
    [agentVersion.value],
  );
  const [models, setModels] = useState<Finding[] | null>(null);
  const [modelError, setModelError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const ask = async () => {
    setBusy(true);
    try {
      const all = await post<Finding[]>("api/doctor", { ask_models: true });
      setModels(all.filter((one) => one.check === "model"));
      setModelError(null);
    } catch (reason) {
      setModelError(reason);
    }
    setBusy(false);
  };
  return (
    <section aria-label="Doctor">
      {error !== null && <Trouble error={error} again={reload} />}
      {modelError !== null && <Trouble error={modelError} />}
      <ul class="findings" aria-live="polite">
        {[...(models ?? []), ...(value ?? [])].map((one) => (
          <li key={`${one.check} ${one.message}`}>
            <Badge tone={TONES[one.level]}>{one.level}</Badge>
            <b>{one.check}</b>
            <span>
              {one.message}
              {one.remedy && <span class="remedy">→ {one.remedy}</span>}
            </span>
          </li>
        ))}
      </ul>
      <div class="filters">
        <button onClick={() => void ask()} disabled={busy}>
          {busy ? "Asking…" : "Ask the models, too"}
        </button>
        <p class="muted">It says how quickly each answers, and costs a few tokens.</p>
      </div>
    </section>
  );
}
