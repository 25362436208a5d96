/** The form that is shown where the bridge wants a token. */

import { useState } from "preact/hooks";
import { loginNeeded, post } from "./api";
import { Trouble } from "./parts/basics";

export function Login() {
  const [token, setToken] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const enter = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await post("api/login", { token });
      loginNeeded.value = false;
    } catch (reason) {
      setError(reason);
    }
    setBusy(false);
  };
  return (
    <main class="login">
      <h1>millis-bridge</h1>
      <form onSubmit={enter}>
        <label>
          Console token
          <input
            type="password"
            autocomplete="current-password"
            required
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <button class="primary" disabled={busy}>
          Log in
        </button>
      </form>
      {error !== null && <Trouble error={error} />}
      <p class="muted">
        It is one of <code>BRIDGE_CONSOLE_TOKEN</code>, set where the bridge runs.
      </p>
    </main>
  );
}
