import "./timeline.css";

import { timeline } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import type { Route } from "../router.js";
import { Past } from "./past.js";
import { Recordings } from "./recordings.js";
import { Sessions } from "./sessions.js";

export default function View({ route }: { route: Extract<Route, { view: "time" }> }) {
  const t = useText(timeline);
  return (
    <main id="content" className="timeline" data-testid="view-time">
      {route.of !== undefined && route.name !== undefined ? (
        <Past key={`${route.of}/${route.name}`} of={route.of} name={route.name} />
      ) : (
        <>
          <div>
            <h1>{t("title")}</h1>
            <p className="timeline-lead">{t("lead")}</p>
          </div>
          <Recordings />
          <Sessions />
        </>
      )}
    </main>
  );
}
