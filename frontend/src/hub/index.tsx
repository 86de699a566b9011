import "./hub.css";

import { hub as texts } from "../i18n/hub.js";
import { useText } from "../i18n/text.js";
import type { Route } from "../router.js";
import { useSelector } from "../store/hooks.js";
import { Trouble } from "../ui/index.js";
import { Configuration } from "./configuration.js";
import { Engines } from "./engines.js";
import { Hotwords } from "./hotwords_card.js";
import { Load } from "./load.js";
import { useLooking } from "./looking.js";
import { LiveSessions } from "./sessions.js";

export default function View({ route }: { route: Extract<Route, { view: "hub" }> }) {
  const t = useText(texts);
  const error = useSelector((state) => state.operation?.error);
  useLooking();
  return (
    <main id="content" data-testid="view-hub" data-view={route.view}>
      <div className="hub-lead">
        <h1>{t("title")}</h1>
        <p>{t("lead")}</p>
      </div>
      {error && <Trouble text={error} />}
      <Engines />
      <Load />
      <LiveSessions />
      <Hotwords />
      <Configuration />
    </main>
  );
}
