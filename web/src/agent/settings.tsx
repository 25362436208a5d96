/** What is set, and what it means. */

import { useState } from "preact/hooks";
import { type Setting, get } from "../api";
import { Badge, Data, Trouble, useLoaded } from "../parts/basics";
import { argument } from "../shown";

export function Settings() {
  const { value, error, reload } = useLoaded(() => get<Setting[]>("api/settings"), []);
  const [words, setWords] = useState("");
  const [all, setAll] = useState(true);
  if (error !== null) return <Trouble error={error} again={reload} />;
  const wanted = words.toLowerCase();
  const found = (value ?? []).filter(
    (one) => (all || !one.is_default) && `${one.variable} ${one.about}`.toLowerCase().includes(wanted),
  );
  return (
    <section aria-label="Settings">
      <div class="filters">
        <label>
          Find
          <input type="search" value={words} onInput={(event) => setWords(event.currentTarget.value)} />
        </label>
        <label class="check">
          <input type="checkbox" checked={!all} onChange={(event) => setAll(!event.currentTarget.checked)} />
          only what is not the default
        </label>
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label="Table of settings">
        <table class="settings">
          <thead>
            <tr>
              <th scope="col">Variable</th>
              <th scope="col">Value</th>
              <th scope="col">What it is</th>
            </tr>
          </thead>
          <tbody>
            {found.map((one) => (
              <tr key={one.name} class={one.is_default ? "" : "set"}>
                <th scope="row" class="mono">
                  {one.variable}
                </th>
                <td>
                  <Value of={one.value} /> {!one.is_default && <Badge tone="accent">set</Badge>}
                </td>
                <td>{one.about}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {value !== null && found.length === 0 && <p class="muted">Nothing of that name.</p>}
      <p class="muted">They are read once, at the start: change them in bridge.toml or as variables, and start again.</p>
    </section>
  );
}

function Value({ of }: { of: unknown }) {
  const empty = of === null || of === "" || (Array.isArray(of) && of.length === 0);
  if (empty || (typeof of === "object" && of !== null && Object.keys(of).length === 0)) {
    return <span class="muted">none</span>;
  }
  if (typeof of === "object" && !Array.isArray(of)) return <Data value={of} label="Value" />;
  return <code>{Array.isArray(of) ? of.map(argument).join(", ") : argument(of)}</code>;
}
