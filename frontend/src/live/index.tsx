import { live } from "../i18n/live.js";
import { useText } from "../i18n/text.js";

export default function Live() {
  const t = useText(live);
  return (
    <main id="content" data-testid="view-live">
      <h1>{t("title")}</h1>
    </main>
  );
}
