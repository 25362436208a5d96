/** How values are written for people. */

export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value < 1000) return `${Math.round(value)} ms`;
  return `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} s`;
}

export function clockTime(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const rest = String(seconds % 60).padStart(2, "0");
  return `${Math.floor(seconds / 60)}:${rest}`;
}

const day = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "short" });
const time = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

export function moment(iso: string): string {
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  return today ? time.format(at) : `${day.format(at)} ${time.format(at)}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** JSON on one line where it is short, else indented. */
export function json(value: unknown): string {
  const line = JSON.stringify(value) ?? "";
  return line.length <= 72 ? line : JSON.stringify(value, null, 2);
}

/** A value as in a list of arguments: text without quotes, the rest as JSON. */
export function argument(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}
