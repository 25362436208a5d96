/** The tools that the model may use. */

import type { Agent, Tool } from "../api";
import { Badge, Data, Empty } from "../parts/basics";
import { linkTo } from "../route";
import { moment, plural } from "../shown";
import { argumentsOf } from "./schema";

export function Tools({ agent }: { agent: Agent }) {
  if (agent.tools.length === 0) {
    return (
      <Empty title="No tools are loaded">
        <p>
          Put a file with a LangChain <code>@tool</code> into the tools folder; it appears here as it is saved.
        </p>
      </Empty>
    );
  }
  const several = agent.personas.length > 1;
  return (
    <section aria-label="Tools">
      <p class="muted summary-line">
        {plural(agent.tools.length, "tool")} · version {agent.toolbox} of the toolbox
      </p>
      <div class="cards">
        {agent.tools.map((tool) => (
          <ToolEntry key={tool.name} tool={tool} several={several} />
        ))}
      </div>
    </section>
  );
}

function ToolEntry({ tool, several }: { tool: Tool; several: boolean }) {
  const { policy } = tool;
  return (
    <article class="card" aria-label={tool.name}>
      <header class="card-head">
        <h2 class="mono">{tool.name}</h2>
        <Badge tone={policy.read_only ? "plain" : "accent"}>{policy.read_only ? "reads only" : "has side effects"}</Badge>
        {policy.confirm && <Badge tone="warn">asks first</Badge>}
        {tool.broken && <Badge tone="bad">file broken, old version in use</Badge>}
        <span class="muted card-end mono">{tool.file}</span>
      </header>
      <p class="description">{tool.description}</p>
      <Arguments tool={tool} />
      <p class="muted">
        {policy.in_words} · up to {policy.timeout} s{policy.filler && ` · filler: “${policy.filler.split("\n")[0]}”`}
      </p>
      {policy.confirm && <p class="muted">asks: “{policy.confirm}”</p>}
      {several && <p class="muted">for {tool.personas.join(", ") || "no persona"}</p>}
      {tool.last_error && (
        <p class="last-error">
          <Badge tone="bad">{tool.last_error.outcome}</Badge> {moment(tool.last_error.at)} in{" "}
          <a href={linkTo("calls", tool.last_error.session_id)}>{tool.last_error.session_id}</a>:{" "}
          {tool.last_error.result}
        </p>
      )}
      <details>
        <summary>Schema</summary>
        <Data value={tool.arguments} label={`Schema of ${tool.name}`} />
      </details>
    </article>
  );
}

function Arguments({ tool }: { tool: Tool }) {
  const all = argumentsOf(tool.arguments);
  if (all.length === 0) return <p class="muted">no arguments</p>;
  return (
    <dl class="arguments">
      {all.map((one) => (
        <div key={one.name}>
          <dt class="mono">
            {one.name}
            {!one.required && <span class="muted"> optional</span>}
          </dt>
          <dd>
            <span class="muted">{one.kind}</span> {one.description}
          </dd>
        </div>
      ))}
    </dl>
  );
}
