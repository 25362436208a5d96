/** Where one types what the caller says, and interrupts. */

import { useEffect, useRef, useState } from "preact/hooks";
import { interrupt, phase, say } from "./call";

export function Composer() {
  const [text, setText] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const on = phase.value === "on";
  useEffect(() => {
    if (on) field.current?.focus();
  }, [on]);
  const send = (event: Event) => {
    event.preventDefault();
    const line = text.trim();
    if (!on || !line) return;
    say(line);
    setText("");
  };
  return (
    <form class="composer" onSubmit={send}>
      <label class="hidden" for="line">
        What the caller says
      </label>
      <input
        id="line"
        ref={field}
        value={text}
        maxLength={2000}
        autocomplete="off"
        placeholder={on ? "Say something" : "Start a call first"}
        disabled={!on}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button class="primary" disabled={!on || !text.trim()}>
        Say
      </button>
      <button type="button" disabled={!on} onClick={interrupt} title="Esc">
        Interrupt
      </button>
    </form>
  );
}
