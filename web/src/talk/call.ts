/** One call from this page: through the web SDK as anybody's page would, and watched beside it. */

import type Millis from "@millisai/web-sdk";
import { signal } from "@preact/signals";
import { isRecord, socketAddress } from "../api";
import {
  type Times,
  type TurnView,
  after,
  isOfTurn,
  withCut,
  withTimes,
  withWords,
} from "../turns";
import { withoutMicrophone } from "./silence";

export type Phase = "idle" | "starting" | "on" | "ended";

export interface Choice {
  persona: string;
  metadata: Record<string, unknown>;
  included: boolean;
  /** The earlier session to go on from; empty for none. */
  continues: string;
  microphone: boolean;
  /** What the ears of the local Millis listen for, one a line. */
  phrases: string;
}

export const phase = signal<Phase>("idle");
export const session = signal("");
export const turns = signal<TurnView[]>([]);
/** What is just being recognised of the caller's words. */
export const hearing = signal("");
export const problem = signal("");
export const speaking = signal(false);
export const levels = signal<{ caller: AnalyserNode | null; agent: AnalyserNode | null }>({ caller: null, agent: null });

type Client = ReturnType<typeof Millis.createClient>;

/** Milliseconds in which a call is to be ready. Now and then the SDK's worklet does not start. */
const PATIENCE = 4000;
const TRIES = 3;

interface Running {
  client: Client;
  began: number;
  watcher: WebSocket | null;
  release: () => void;
}

let running: Running | null = null;

export async function start(choice: Choice): Promise<void> {
  turns.value = [];
  hearing.value = problem.value = session.value = "";
  phase.value = "starting";
  if (!navigator.mediaDevices) {
    end("A browser gives sound only to pages on https, or on this machine: open it as http://localhost.");
    return;
  }
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    if (await begin(choice)) return;
    if (phase.value !== "starting") return;
  }
  end("The browser's sound did not start. Try again, or open the page anew.");
}

/** Begin a call; false if it is worth another try. */
async function begin(choice: Choice): Promise<boolean> {
  const persona = choice.persona === "default" ? "" : `/${encodeURIComponent(choice.persona)}`;
  const { default: sdk } = await import("@millisai/web-sdk"); // 2 MB, most of it for Firefox
  const client = sdk.createClient({ publicKey: "local", endPoint: socketAddress(`../local/millis${persona}`) });
  const mine: Running = { client, began: performance.now(), watcher: null, release: () => {} };
  running = mine;
  const ready = new Promise<boolean>((resolve) => {
    listen(mine, resolve);
    setTimeout(() => resolve(false), PATIENCE);
  });
  const dial = () =>
    client.start({
      agent: { agent_id: agentOf(choice), ...(choice.microphone && { agent_config: listeningFor(choice.phrases) }) },
      metadata: choice.metadata,
      include_metadata_in_prompt: choice.included,
      ...(choice.continues && { session_continuation: { session_id: choice.continues } }),
    });
  try {
    if (choice.microphone) await dial();
    else mine.release = await withoutMicrophone(dial);
  } catch {
    end("There is no microphone, or it is not allowed. Start without it, and type.");
    return true;
  }
  if (await ready) return true;
  if (running === mine) drop(mine);
  return phase.value !== "starting";
}

function agentOf(choice: Choice): string {
  return choice.persona === "default" ? "console" : choice.persona;
}

function listeningFor(phrases: string) {
  const keywords = phrases
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  return { custom_vocabulary: { keywords } };
}

function listen(mine: Running, resolve: (ready: boolean) => void): void {
  const { client } = mine;
  const now = () => performance.now() - mine.began;
  const current = () => running === mine;
  let stream = "";
  let heardAt: number | null = null;
  let askedAt: number | null = null;

  const time = (name: keyof Times, at: number) => {
    const turn = turns.value.find((one) => one.stream === stream);
    if (!turn || turn.times[name] !== null) return;
    turns.value = withTimes(turns.value, stream, { [name]: at - turn.at });
  };

  client.on("onready", (payload?: { session_id?: string }) => {
    if (!current()) return;
    session.value = payload?.session_id ?? "";
    phase.value = "on";
    mine.watcher = watch(mine, session.value);
    resolve(true);
  });
  client.on("useraudioready", ({ analyser }: { analyser: AnalyserNode }) => {
    levels.value = { ...levels.value, caller: analyser };
  });
  client.on("analyzer", (analyser: AnalyserNode) => {
    levels.value = { ...levels.value, agent: analyser };
  });
  client.on("ontranscript", (text: string) => {
    if (!current()) return;
    hearing.value = text;
    heardAt = now();
  });
  client.on("onagentstate", (state: string) => {
    if (state === "prepare_answer") askedAt = now(); // Millis has asked for an answer
  });
  client.on("onresponsetext", (text: string, payload: { is_final?: boolean; stream_id?: number | string }) => {
    if (!current()) return;
    const named = String(payload.stream_id ?? stream);
    const fresh = named !== stream;
    stream = named;
    hearing.value = "";
    turns.value = withWords(turns.value, stream, text, askedAt ?? now());
    if (fresh && heardAt !== null) time("partial", heardAt);
    if (fresh) heardAt = null;
  });
  client.on("onheard", (heard: string, payload: { stream_id: number | string; cut: boolean }) => {
    if (!current()) return;
    speaking.value = false;
    if (payload.cut) turns.value = withCut(turns.value, String(payload.stream_id), heard, now());
  });
  client.on("onaudio", () => {
    if (!current()) return;
    speaking.value = true;
    if (stream) time("playback", now());
  });
  client.on("onclose", (event: CloseEvent) => {
    resolve(true);
    if (current()) end(event.code === 1000 ? "" : event.reason || "The connection was lost.");
  });
  client.on("onerror", () => {
    resolve(true);
    if (current()) end("The bridge does not take the call. Is it running?");
  });
}

function watch(mine: Running, name: string): WebSocket {
  const socket = new WebSocket(socketAddress(`watch/${encodeURIComponent(name)}`));
  socket.onmessage = (message: MessageEvent<string>) => {
    const event: unknown = JSON.parse(message.data);
    if (running !== mine || !isRecord(event)) return;
    const told = event as { event: string };
    if (!isOfTurn(told)) return;
    const at = performance.now() - mine.began;
    if (told.event === "TurnBegan") hearing.value = "";
    turns.value = after(turns.value, told, at);
  };
  return socket;
}

export function say(text: string): void {
  running?.client.send(JSON.stringify({ method: "say", data: text }));
}

export function interrupt(): void {
  running?.client.send(JSON.stringify({ method: "interrupt" }));
}

export function hangUp(): void {
  end("");
}

function end(why: string): void {
  problem.value = why;
  hearing.value = "";
  speaking.value = false;
  phase.value = session.value ? "ended" : "idle";
  if (running) drop(running);
}

function drop(one: Running): void {
  running = running === one ? null : running;
  levels.value = { caller: null, agent: null };
  one.watcher?.close();
  void one.client.stop();
  one.release();
}
