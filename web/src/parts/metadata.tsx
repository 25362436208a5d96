/** An editor for metadata: JSON, told at once where it is none. */

import { useId, useState } from "preact/hooks";
import { isRecord } from "../api";

export interface Parsed {
  value: Record<string, unknown> | null;
  error: string;
}

export function parsed(text: string): Parsed {
  if (!text.trim()) return { value: {}, error: "" };
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? { value, error: "" } : { value: null, error: "Write an object: {…}" };
  } catch (error) {
    return { value: null, error: error instanceof Error ? error.message : "not JSON" };
  }
}

interface Props {
  initial: string;
  disabled?: boolean;
  onValue: (value: Record<string, unknown>, text: string) => void;
}

export function MetadataEditor({ initial, disabled = false, onValue }: Props) {
  const [text, setText] = useState(initial);
  const id = useId();
  const { error } = parsed(text);
  const edit = (written: string) => {
    setText(written);
    const { value } = parsed(written);
    if (value !== null) onValue(value, written);
  };
  return (
    <div class="field">
      <label for={id}>Metadata, as JSON</label>
      <textarea
        id={id}
        class="mono"
        rows={4}
        spellcheck={false}
        value={text}
        disabled={disabled}
        placeholder={'{"name": "Ada", "customer_id": "c-1"}'}
        aria-invalid={error !== ""}
        aria-describedby={`${id}-error`}
        onInput={(event) => edit(event.currentTarget.value)}
      />
      <span id={`${id}-error`} class="field-error" role="status">
        {error}
      </span>
    </div>
  );
}
