/** The agent as it is loaded now; every page shows some of it. */

import { signal } from "@preact/signals";
import { type Agent, get } from "../api";

export const agent = signal<Agent | null>(null);
export const agentError = signal<unknown>(null);

export async function look(): Promise<void> {
  try {
    agent.value = await get<Agent>("api/agent");
    agentError.value = null;
  } catch (error) {
    agentError.value = error;
  }
}
