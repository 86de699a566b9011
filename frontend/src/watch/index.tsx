import { watch } from "../i18n/watch.js";
import { useText } from "../i18n/text.js";
import type { Route } from "../router.js";

export default function View({ route }: { route: Extract<Route, { view: "watch" }> }) {
  const t = useText(watch);
  return (
    <main id="content" data-testid="view-watch" data-view={route.view}>
      <h1>{t("title")}</h1>
    </main>
  );
}
