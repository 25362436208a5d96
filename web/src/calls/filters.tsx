/** What to look for among calls. */

export interface Wanted {
  session: string;
  agent: string;
  caller: string;
  since: string;
  interrupted: boolean;
  failed: boolean;
  slowMs: string;
}

export const NOTHING: Wanted = {
  session: "",
  agent: "",
  caller: "",
  since: "",
  interrupted: false,
  failed: false,
  slowMs: "",
};

export function queryOf(wanted: Wanted, limit: number): string {
  const query = new URLSearchParams({ limit: String(limit) });
  for (const name of ["session", "agent", "caller"] as const) {
    if (wanted[name].trim()) query.set(name, wanted[name].trim());
  }
  if (wanted.since) query.set("since", new Date(`${wanted.since}T00:00`).toISOString());
  if (wanted.interrupted) query.set("interrupted", "true");
  if (wanted.failed) query.set("failed", "true");
  if (Number(wanted.slowMs) >= 1) query.set("slow_ms", String(Math.round(Number(wanted.slowMs))));
  return query.toString();
}

interface Props {
  value: Wanted;
  onChange: (wanted: Wanted) => void;
}

const TEXTS = [
  { name: "session", label: "Session" },
  { name: "agent", label: "Agent" },
  { name: "caller", label: "Caller" },
] as const;

export function Filters({ value, onChange }: Props) {
  const set = (part: Partial<Wanted>) => onChange({ ...value, ...part });
  return (
    <form class="filters" role="search" aria-label="Calls" onSubmit={(event) => event.preventDefault()}>
      {TEXTS.map(({ name, label }) => (
        <label key={name}>
          {label}
          <input type="search" value={value[name]} onChange={(event) => set({ [name]: event.currentTarget.value })} />
        </label>
      ))}
      <label>
        Since
        <input type="date" value={value.since} onChange={(event) => set({ since: event.currentTarget.value })} />
      </label>
      <label>
        Slower than, ms
        <input
          type="number"
          min={1}
          step={100}
          value={value.slowMs}
          onChange={(event) => set({ slowMs: event.currentTarget.value })}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={value.interrupted}
          onChange={(event) => set({ interrupted: event.currentTarget.checked })}
        />
        cut off
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={value.failed}
          onChange={(event) => set({ failed: event.currentTarget.checked })}
        />
        failed
      </label>
    </form>
  );
}
