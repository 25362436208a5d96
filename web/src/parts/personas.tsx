/** Choose who answers. */

import { useId } from "preact/hooks";
import type { Persona } from "../api";

interface Props {
  personas: Persona[];
  value: string;
  disabled?: boolean;
  onPick: (name: string) => void;
}

export function PersonaPicker({ personas, value, disabled = false, onPick }: Props) {
  const id = useId();
  const one = personas.find(({ name }) => name === value);
  return (
    <div class="field">
      <label for={id}>Persona</label>
      <select id={id} value={value} disabled={disabled} onChange={(event) => onPick(event.currentTarget.value)}>
        {personas.map(({ name }) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      {one && <span class="muted">{one.models.join(" → ")}</span>}
    </div>
  );
}
