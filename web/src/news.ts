/** What has changed in the bridge, as it tells it: pages that depend on it ask again. */

import { signal } from "@preact/signals";
import { isRecord } from "./api";

export const agentVersion = signal("");
export const callsVersion = signal("");
export const connected = signal(false);

let source: EventSource | null = null;

export function follow(): void {
  source?.close();
  source = new EventSource("api/news");
  source.onopen = () => {
    connected.value = true;
  };
  source.onerror = () => {
    connected.value = false;
    // The browser dials again by itself, but not after an answer such as 401 or 503.
    if (source?.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
  source.onmessage = (event: MessageEvent<string>) => {
    const versions: unknown = JSON.parse(event.data);
    if (!isRecord(versions)) return;
    agentVersion.value = String(versions.agent);
    callsVersion.value = String(versions.calls);
  };
}
