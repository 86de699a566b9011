import type { Route } from "../router.js";

export default function Captions({ route }: { route: Extract<Route, { view: "captions" }> }) {
  return <main id="content" data-testid="view-captions" data-session={route.session} />;
}
