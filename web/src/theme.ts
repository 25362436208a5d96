/** Light or dark: as the system has it, unless chosen here. */

import { signal } from "@preact/signals";

const ORDER = ["auto", "light", "dark"] as const;
type Theme = (typeof ORDER)[number];

const KEY = "bridge-theme";

function stored(): Theme {
  const kept = localStorage.getItem(KEY);
  return ORDER.find((one) => one === kept) ?? "auto";
}

export const theme = signal<Theme>(stored());

/** Grows when the colours are others, whoever changed them. */
export const repaint = signal(0);

function put(): void {
  if (theme.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  repaint.value += 1;
}

export function toggleTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length] ?? "auto";
  localStorage.setItem(KEY, theme.value);
  put();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", put);
put();

/** A colour of the style sheet, for canvases. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
