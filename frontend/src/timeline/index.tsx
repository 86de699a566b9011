import { timeline } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import type { Route } from "../router.js";

export default function View({ route }: { route: Extract<Route, { view: "time" }> }) {
  const t = useText(timeline);
  return (
    <main id="content" data-testid="view-time" data-view={route.view}>
      <h1>{t("title")}</h1>
    </main>
  );
}
