/** Prompts as they are written, and as a call would have them. */

import { useState } from "preact/hooks";
import { type Persona, type Prompt, post } from "../api";
import { agentVersion } from "../news";
import { Badge, Data, Empty, Trouble, useLoaded } from "../parts/basics";
import { MetadataEditor, parsed } from "../parts/metadata";
import { PersonaPicker } from "../parts/personas";

const SAMPLE = '{"name": "Ada"}';

export function Prompts({ personas }: { personas: Persona[] }) {
  const [persona, setPersona] = useState(personas[0]?.name ?? "default");
  const [metadata, setMetadata] = useState(parsed(SAMPLE).value ?? {});
  const [included, setIncluded] = useState(false);
  const sample = { persona, metadata, include_metadata_in_prompt: included };
  const { value: prompts, error, reload } = useLoaded(
    () => post<Prompt[]>("api/prompts", sample),
    [persona, metadata, included, agentVersion.value],
  );
  return (
    <section class="split" aria-label="Prompts">
      <div class="side">
        <PersonaPicker personas={personas} value={persona} onPick={setPersona} />
        <MetadataEditor initial={SAMPLE} onValue={setMetadata} />
        <label class="check">
          <input type="checkbox" checked={included} onChange={(event) => setIncluded(event.currentTarget.checked)} />
          Metadata in the system prompt
        </label>
        <p class="muted">The texts change as the files do, and as you type here.</p>
      </div>
      <div class="cards">
        {error !== null && <Trouble error={error} again={reload} />}
        {prompts?.length === 0 && <Empty title="No such persona" />}
        {prompts?.map((prompt) => (
          <PromptEntry key={prompt.name} prompt={prompt} />
        ))}
      </div>
    </section>
  );
}

function PromptEntry({ prompt }: { prompt: Prompt }) {
  return (
    <article class="card" aria-label={prompt.name}>
      <header class="card-head">
        <h2>{prompt.name}</h2>
        {prompt.error && <Badge tone="bad">cannot be rendered: its built-in text is used</Badge>}
        {prompt.broken && <Badge tone="bad">file broken, old version in use</Badge>}
        <span class="muted card-end mono">{prompt.file}</span>
      </header>
      <p class="spoken">{prompt.text || <span class="muted">nothing</span>}</p>
      {prompt.error && <p class="last-error">{prompt.error}</p>}
      {prompt.missed.length > 0 && (
        <p class="muted">
          this sample has no <span class="mono">{prompt.missed.join(", ")}</span>
        </p>
      )}
      {prompt.source.trim() !== prompt.text && (
        <details>
          <summary>Template</summary>
          <Data value={prompt.source} label={`Template of ${prompt.name}`} />
        </details>
      )}
    </article>
  );
}
