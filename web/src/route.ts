/** Which page is open: the part of the address after `#`, so that links and Back work. */

import { signal } from "@preact/signals";

export type Place = "talk" | "calls" | "agent";

export interface Route {
  place: Place;
  /** What of it: a call's session, a section. */
  rest: string;
}

function read(): Route {
  const [place, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const known: Place = place === "calls" || place === "agent" ? place : "talk";
  return { place: known, rest: plainText(rest.join("/")) };
}

function plainText(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded; // typed by hand, with a % that means itself
  }
}

export const route = signal<Route>(read());

addEventListener("hashchange", () => {
  route.value = read();
});

export function linkTo(place: Place, rest = ""): string {
  return `#/${place}${rest && `/${encodeURIComponent(rest)}`}`;
}
