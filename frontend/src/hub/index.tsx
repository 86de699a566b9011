import { hub } from "../i18n/hub.js";
import { useText } from "../i18n/text.js";
import type { Route } from "../router.js";

export default function View({ route }: { route: Extract<Route, { view: "hub" }> }) {
  const t = useText(hub);
  return (
    <main id="content" data-testid="view-hub" data-view={route.view}>
      <h1>{t("title")}</h1>
    </main>
  );
}
