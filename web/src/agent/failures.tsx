/** Files that did not load: told where one sees it, as soon as the file is saved. */

import type { Failure } from "../api";

export function Failures({ of }: { of: Failure[] }) {
  return (
    <div aria-live="polite">
      {of.length > 0 && (
        <ul class="failures" aria-label="Not loaded">
          {of.map((failure) => (
            <li key={`${failure.file}:${failure.line}:${failure.reason}`}>
              <code>{failure.line === null ? failure.file : `${failure.file}:${failure.line}`}</code>
              <span>{failure.reason}</span>
              {failure.kept && <span class="muted">its last good version stays in use</span>}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
