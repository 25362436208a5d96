/** Talk: call the agent from this page, by typing or by voice, and see what it does. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { agent } from "../agent/loaded";
import { Command, Empty, Trouble } from "../parts/basics";
import { TurnCard } from "../parts/turncard";
import { linkTo } from "../route";
import { type Choice, hangUp, hearing, interrupt, phase, problem, session, start, turns } from "./call";
import { Composer } from "./composer";
import { Level } from "./level";
import { Setup } from "./setup";

const FIRST_CHOICE: Choice = {
  persona: "default",
  metadata: {},
  included: false,
  continues: "",
  microphone: false,
  phrases: "",
};

export function TalkPage() {
  const choice = useSignal<Choice>(FIRST_CHOICE);
  const on = phase.value === "on" || phase.value === "starting";
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key === "Escape" && phase.value === "on") interrupt();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
  const begin = () => void start(choice.value);
  return (
    <div class="talk">
      <h1 class="hidden">Talk</h1>
      <aside class="side" aria-label="The call">
        <div class="call-state">
          <State />
          {on ? (
            <button class="danger" onClick={hangUp}>
              Hang up
            </button>
          ) : (
            <button class="primary" onClick={begin} disabled={agent.value === null}>
              {phase.value === "ended" ? "Call again" : "Start a call"}
            </button>
          )}
        </div>
        <Level />
        <Setup choice={choice} personas={agent.value?.personas ?? []} disabled={on} />
      </aside>
      <section class="conversation" aria-label="Conversation">
        <Conversation />
        {problem.value && <Trouble error={problem.value} />}
        {phase.value === "ended" && session.value && (
          <p class="after-call">
            The call is over. <a href={linkTo("calls", session.value)}>Look at it again</a>, or compare it with{" "}
            <Command>{`bridge replay ${session.value}`}</Command>
          </p>
        )}
        <Composer />
      </section>
    </div>
  );
}

function State() {
  const words = { idle: "No call", starting: "Connecting…", on: "On the line", ended: "Hung up" };
  return (
    <p class="state" role="status">
      <i class={`lamp ${phase.value}`} aria-hidden="true" />
      {words[phase.value]}
      {session.value && <span class="mono muted session">{session.value}</span>}
    </p>
  );
}

function Conversation() {
  const bottom = useRef<HTMLDivElement>(null);
  const last = turns.value.at(-1);
  useEffect(() => bottom.current?.scrollIntoView({ block: "end" }), [turns.value.length, last?.said, last?.tools, hearing.value]);
  if (turns.value.length === 0 && phase.value === "idle") {
    return (
      <Empty title="Talk to your agent">
        <p>
          Start a call, then type what a caller would say. <kbd>Enter</kbd> says it, <kbd>Esc</kbd> interrupts. With
          a microphone you can speak, and be answered aloud.
        </p>
      </Empty>
    );
  }
  return (
    <div class="turns" role="log" aria-label="Turns">
      {turns.value.map((turn, index) => (
        <TurnCard key={turn.stream || turn.number} turn={turn} current={index === turns.value.length - 1} />
      ))}
      {hearing.value && (
        <p class="line caller saying">
          <span class="who">Caller</span>
          <span class="words">{hearing.value}</span>
        </p>
      )}
      <div ref={bottom} />
    </div>
  );
}
