/** Which view is open, by the hash of the address: the server needs no routes. */

import { useMemo, useSyncExternalStore } from "react";

export type Route =
  | { view: "live" }
  | { view: "watch"; session?: string }
  /** Transparent, for a projector or OBS. */
  | { view: "captions"; session: string }
  | { view: "files"; id?: string }
  | { view: "time"; of?: "recordings" | "sessions"; name?: string }
  | { view: "hub" }
  /** No view has this address. */
  | { view: "nowhere" };

/** What an address says. None is the Live view. */
export function parse(hash: string): Route {
  const [view = "", first, second] = hash.replace(/^#?\/?/, "").split("?")[0]?.split("/").map(decode) ?? [];
  switch (view) {
    case "watch":
      return first ? { view, session: first } : { view };
    case "captions":
      return first ? { view, session: first } : { view: "watch" };
    case "files":
      return first ? { view, id: first } : { view };
    case "time":
      return (first === "recordings" || first === "sessions") && second ? { view, of: first, name: second } : { view };
    case "hub":
      return { view };
    case "":
    case "live":
    case "content":
      return { view: "live" };
    default:
      return { view: "nowhere" };
  }
}

/** The address of a view, for `href`. */
export function href(route: Route): string {
  const parts: (string | undefined)[] = [route.view];
  if (route.view === "watch" || route.view === "captions") {
    parts.push(route.session);
  } else if (route.view === "files") {
    parts.push(route.id);
  } else if (route.view === "time") {
    parts.push(route.of, route.name);
  }
  return `#/${parts.filter((part) => part !== undefined).map(encodeURIComponent).join("/")}`;
}

export function go(route: Route): void {
  location.hash = href(route);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  return useMemo(() => parse(hash), [hash]);
}

function subscribe(changed: () => void): () => void {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}

/** An address that somebody cut in the middle of an escape is taken as it stands. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
