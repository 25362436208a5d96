/** Agent: what is loaded, how it would sound, what is set, and what could be wrong. */

import { linkTo, route } from "../route";
import { Empty, Trouble } from "../parts/basics";
import { Doctor } from "./doctor";
import { Failures } from "./failures";
import { agent, agentError, look } from "./loaded";
import { Prompts } from "./prompts";
import { Settings } from "./settings";
import { Tools } from "./tools";

const SECTIONS = ["tools", "prompts", "settings", "doctor"] as const;

export function AgentPage() {
  const { rest } = route.value;
  const section = SECTIONS.find((one) => one === rest) ?? "tools";
  if (agentError.value !== null && agent.value === null) {
    return <Trouble error={agentError.value} again={() => void look()} />;
  }
  if (agent.value === null) return <Empty title="Loading…" />;
  return (
    <div class="page">
      <h1 class="hidden">Agent</h1>
      <nav class="sections" aria-label="Parts of the agent">
        {SECTIONS.map((one) => (
          <a key={one} href={linkTo("agent", one)} aria-current={section === one ? "true" : undefined}>
            {one}
          </a>
        ))}
      </nav>
      <Failures of={agent.value.failures} />
      {section === "tools" && <Tools agent={agent.value} />}
      {section === "prompts" && <Prompts personas={agent.value.personas} />}
      {section === "settings" && <Settings />}
      {section === "doctor" && <Doctor />}
    </div>
  );
}
