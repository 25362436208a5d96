/** What the bridge is asked over HTTP. Addresses are relative: a proxy may put something before. */

import { signal } from "@preact/signals";

/** Whether the bridge wants a token before it shows anything. */
export const loginNeeded = signal(false);

export class Problem extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

async function ask(path: string, request?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...request });
  } catch {
    throw new Problem(0, "The bridge does not answer. Is it running?");
  }
  if (response.ok) return response;
  const said: unknown = await response.json().catch(() => null);
  const detail = isRecord(said) && typeof said.detail === "string" ? said.detail : response.statusText;
  if (response.status === 401 && path !== "api/login") loginNeeded.value = true;
  throw new Problem(response.status, detail);
}

export async function get<T>(path: string): Promise<T> {
  return (await (await ask(path)).json()) as T;
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  const response = await ask(path, { method: "POST", headers, body: JSON.stringify(body) });
  return (response.status === 204 ? null : await response.json()) as T;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The address of a WebSocket of the bridge that served this page; `path` is from its root. */
export function socketAddress(path: string): string {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url.href;
}

// ── the agent ──────────────────────────────────────────────────────────────────────────────────

export interface Failure {
  file: string;
  line: number | null;
  reason: string;
  kept: boolean;
}

export interface Persona {
  name: string;
  models: string[];
  greeting: string;
  agents: string[];
  has_token: boolean;
  allow: string[] | null;
}

export interface Policy {
  read_only: boolean;
  timeout: number;
  on_interrupt: string;
  once: boolean;
  filler: string;
  confirm: string;
  in_words: string;
}

export interface Tool {
  name: string;
  file: string;
  description: string;
  arguments: Record<string, unknown>;
  policy: Policy;
  broken: Failure | null;
  last_error: { at: string; session_id: string; outcome: string; result: string } | null;
  personas: string[];
}

export interface Agent {
  version: string;
  /** Whether one has logged in, and can log out. */
  has_login: boolean;
  toolbox: number;
  personas: Persona[];
  tools: Tool[];
  failures: Failure[];
  record: { level: string; state: string; reason?: string | null };
}

export interface Prompt {
  name: string;
  file: string;
  source: string;
  text: string;
  missed: string[];
  error: string;
  broken: Failure | null;
}

export interface Setting {
  name: string;
  variable: string;
  value: unknown;
  is_default: boolean;
  about: string;
}

export interface Finding {
  level: "ok" | "warning" | "problem";
  check: string;
  message: string;
  remedy: string;
}

// ── calls ──────────────────────────────────────────────────────────────────────────────────────

export interface CallSummary {
  id: string;
  session_id: string;
  agent_id: string;
  persona: string | null;
  caller: string | null;
  called: string | null;
  user_id: string | null;
  metadata: Record<string, unknown> | null;
  continues: string | null;
  level: "full" | "text" | "metadata";
  started_at: string;
  ended_at: string | null;
  state: "live" | "ended" | "aborted" | "lost";
  ending: string | null;
  turns: number;
  interrupted: number;
  failed: number;
  tools: number;
  slowest_ms: number;
  tokens_in: number;
  tokens_out: number;
}

export interface ToolRun {
  id: string;
  turn: number;
  name: string;
  arguments: Record<string, unknown> | null;
  result: string | null;
  policy: string | null;
  outcome: string | null;
  at_ms: number;
  duration_ms: number | null;
}

export interface RecordedTurn {
  number: number;
  stream_id: string;
  at_ms: number;
  place: number;
  ahead: boolean;
  asked: string | null;
  said: string | null;
  said_chars: number;
  heard: string | null;
  heard_chars: number | null;
  outcome: string;
  failure: string | null;
  model: string | null;
  first_token_ms: number | null;
  first_frame_ms: number | null;
  last_frame_ms: number | null;
  tools_ms: number;
  tool_runs: ToolRun[];
}

export interface Frame {
  at_ms: number;
  way: "in" | "out";
  message: Record<string, unknown>;
}

export interface CallDetail extends CallSummary {
  timeline: RecordedTurn[];
  tool_runs: ToolRun[];
  frames: Frame[] | null;
}

export interface CallPage {
  calls: CallSummary[];
  next: string | null;
}
