/** Who is to answer a call, and what Millis would pass along. */

import type { Signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { Persona } from "../api";
import { MetadataEditor } from "../parts/metadata";
import { PersonaPicker } from "../parts/personas";
import type { Choice } from "./call";

interface Props {
  choice: Signal<Choice>;
  personas: Persona[];
  disabled: boolean;
}

function isSmall(): boolean {
  return matchMedia("(max-width: 46rem)").matches;
}

export function Setup({ choice, personas, disabled }: Props) {
  const set = (part: Partial<Choice>) => {
    choice.value = { ...choice.value, ...part };
  };
  const [open, setOpen] = useState(!isSmall());
  useEffect(() => {
    if (disabled && isSmall()) setOpen(false); // the conversation needs the room
  }, [disabled]);
  const { persona, included, continues, microphone, phrases } = choice.value;
  return (
    <details class="setup" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Set up the call</summary>
      <fieldset disabled={disabled}>
        <legend class="hidden">Set up the call</legend>
        <PersonaPicker personas={personas} value={persona} onPick={(name) => set({ persona: name })} />
        <label class="check">
          <input
            type="checkbox"
            checked={microphone}
            onChange={(event) => set({ microphone: event.currentTarget.checked })}
          />
          Speak with the microphone
        </label>
        {microphone && <PhraseList value={phrases} onValue={(text) => set({ phrases: text })} />}
        <MetadataEditor initial="" onValue={(metadata) => set({ metadata })} />
        <label class="check">
          <input type="checkbox" checked={included} onChange={(event) => set({ included: event.currentTarget.checked })} />
          Metadata in the system prompt
        </label>
        <label class="field">
          Go on from an earlier call
          <input
            class="mono"
            value={continues}
            placeholder="its session"
            onInput={(event) => set({ continues: event.currentTarget.value.trim() })}
          />
        </label>
      </fieldset>
    </details>
  );
}

function PhraseList({ value, onValue }: { value: string; onValue: (text: string) => void }) {
  return (
    <label class="field">
      Phrases to listen for, one a line
      <textarea
        rows={3}
        value={value}
        placeholder="Where is my order?"
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      <span>
        Recognition is offline: it knows these phrases, in English, and nothing else. It needs{" "}
        <code>pip install 'millis-bridge[voice]'</code>.
      </span>
    </label>
  );
}
