/** The frame around the pages: where one is, what is wrong, light or dark. */

import { useEffect } from "preact/hooks";
import { AgentPage } from "./agent/page";
import { agent, look } from "./agent/loaded";
import { loginNeeded, post } from "./api";
import { CallsPage } from "./calls/page";
import { Login } from "./login";
import { agentVersion, connected, follow } from "./news";
import { type Place, linkTo, route } from "./route";
import { TalkPage } from "./talk/page";
import { toggleTheme, theme } from "./theme";

const PLACES: { place: Place; name: string }[] = [
  { place: "talk", name: "Talk" },
  { place: "calls", name: "Calls" },
  { place: "agent", name: "Agent" },
];

export function App() {
  const version = agentVersion.value;
  const locked = loginNeeded.value;
  useEffect(() => {
    if (!locked) void look();
  }, [version, locked]);
  useEffect(() => {
    if (!locked) follow();
  }, [locked]);
  const { place } = route.value;
  useEffect(() => {
    document.title = `${PLACES.find((one) => one.place === place)?.name} · millis-bridge`;
  }, [place]);
  if (locked) return <Login />;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <Top place={place} />
      <main id="main" tabIndex={-1}>
        {place === "talk" && <TalkPage />}
        {place === "calls" && <CallsPage />}
        {place === "agent" && <AgentPage />}
      </main>
    </>
  );
}

function Top({ place }: { place: Place }) {
  const broken = agent.value?.failures.length ?? 0;
  return (
    <header class="top">
      <span class="brand">millis-bridge</span>
      <nav aria-label="Places">
        {PLACES.map((one) => (
          <a key={one.place} href={linkTo(one.place)} aria-current={place === one.place ? "page" : undefined}>
            {one.name}
            {one.place === "agent" && broken > 0 && (
              <span class="count" title={`${broken} not loaded`}>
                {broken}
                <span class="hidden"> not loaded</span>
              </span>
            )}
          </a>
        ))}
      </nav>
      <span class="top-end">
        {!connected.value && (
          <span class="offline" role="status">
            no connection
          </span>
        )}
        {agent.value?.has_login && <Leave />}
        <button class="quiet" onClick={toggleTheme} title="Light, dark, or as the system has it">
          colours: {theme.value}
        </button>
      </span>
    </header>
  );
}

function Leave() {
  const leave = () => {
    void post("api/logout", {}).then(() => location.reload());
  };
  return (
    <button class="quiet" onClick={leave}>
      log out
    </button>
  );
}
