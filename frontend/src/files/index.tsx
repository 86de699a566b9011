import { files } from "../i18n/files.js";
import { useText } from "../i18n/text.js";
import type { Route } from "../router.js";

export default function View({ route }: { route: Extract<Route, { view: "files" }> }) {
  const t = useText(files);
  return (
    <main id="content" data-testid="view-files" data-view={route.view}>
      <h1>{t("title")}</h1>
    </main>
  );
}
