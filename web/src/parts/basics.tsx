/** Small parts that every page uses. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../api";
import { json } from "../shown";

export type Tone = "plain" | "ok" | "warn" | "bad" | "accent";

export function Badge({ tone = "plain", children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

const OUTCOMES: Record<string, Tone> = {
  complete: "plain",
  ok: "ok",
  interrupted: "warn",
  superseded: "warn",
  cancelled: "warn",
  refused: "warn",
  hung_up: "plain",
  failed: "bad",
  timeout: "bad",
};

export function Outcome({ of }: { of: string }) {
  return <Badge tone={OUTCOMES[of] ?? "plain"}>{of.replace("_", " ")}</Badge>;
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Something the page could not do, in words. */
export function Trouble({ error, again }: { error: unknown; again?: () => void }) {
  const text = error instanceof Error ? error.message : String(error);
  return (
    <div class="trouble" role="alert">
      <span>{text}</span>
      {again && <button onClick={again}>Try again</button>}
    </div>
  );
}

/** Data as text. Nothing of it is ever markup. */
export function Data({ value, label }: { value: unknown; label: string }) {
  const text = typeof value === "string" ? value : json(value);
  return (
    <pre class="data" tabIndex={0} role="group" aria-label={label}>
      {text}
    </pre>
  );
}

/** A command to be run in a terminal, with a button that copies it. */
export function Command({ children }: { children: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = () => {
    navigator.clipboard?.writeText(children).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  };
  return (
    <span class="command">
      <code>{children}</code>
      <button class="small" onClick={copy}>
        {copied ? "Copied" : "Copy"}
      </button>
    </span>
  );
}

export interface Loaded<T> {
  value: T | null;
  error: unknown;
  reload: () => void;
}

/** Ask for something, and again whenever one of `inputs` is another; keep the old until then. */
export function useLoaded<T>(ask: () => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    let wanted = true;
    ask().then(
      (found) => {
        if (!wanted) return;
        setValue(found);
        setError(null);
      },
      (reason: unknown) => {
        if (wanted && !(reason instanceof Problem && reason.status === 401)) setError(reason);
      },
    );
    return () => {
      wanted = false;
    };
  }, [...inputs, round]);
  return { value, error, reload: () => setRound(round + 1) };
}
