import { useEffect } from "react";

import { base, json, key } from "./api.js";
import { common } from "./i18n/common.js";
import { LANGUAGES } from "./i18n/dictionary.js";
import { useText } from "./i18n/text.js";
import { repeat } from "./repeat.js";
import { href, type Route } from "./router.js";
import { useDispatch, useSelector } from "./store/hooks.js";
import { healthRead, hubAway } from "./store/hub.js";
import { languageChosen, type Theme, themeChosen, THEMES } from "./store/preferences.js";

type View = Exclude<Route["view"], "captions">;

const VIEWS: readonly Exclude<View, "nowhere">[] = ["live", "watch", "files", "time", "hub"];

const NAMES = { en: "English", zh: "中文" } as const;

const THEME_KEYS = { system: "themeSystem", light: "themeLight", dark: "themeDark" } as const;

/** Milliseconds between two looks at the hub. */
const EVERY = 5_000;

export function Header({ view }: { view: View }) {
  const t = useText(common);
  return (
    <header className="top">
      <a className="brand" href={href({ view: "live" })}>
        <img src="./icon.svg" alt="" width="24" height="24" />
        ASR Hub
      </a>
      <nav aria-label={t("navigation")}>
        {VIEWS.map((one) => (
          <a key={one} href={href({ view: one })} aria-current={one === view ? "page" : undefined}>
            {t(one)}
          </a>
        ))}
      </nav>
      <Health />
      <Looks />
    </header>
  );
}

function Health() {
  const t = useText(common);
  const dispatch = useDispatch();
  const { health, isAway } = useSelector((state) => state.hub);
  useEffect(() => {
    const abort = new AbortController();
    const look = async (): Promise<void> => {
      dispatch(healthRead(await json<Parameters<typeof healthRead>[0]>("/health", { signal: abort.signal })));
    };
    void repeat(look, { signal: abort.signal, every: EVERY, onFailure: () => dispatch(hubAway()) });
    return () => abort.abort();
  }, [dispatch]);
  const [kind, text] = summary();
  return (
    <p className="health" role="status" title={health === undefined ? base() : `${base()} · ${health.version}${key() ? " · 🔑" : ""}`}>
      <span className={`dot dot-${kind}`} aria-hidden="true" />
      <span>{text}</span>
      {health !== undefined && !isAway && (
        <span className="health-more">{t("sessions", { count: health.sessions, max: health.max_sessions })}</span>
      )}
    </p>
  );

  function summary(): ["good" | "warning" | "bad" | "plain", string] {
    if (isAway) {
      return ["bad", t("healthAway")];
    }
    if (health === undefined) {
      return ["plain", t("healthUnknown")];
    }
    switch (health.status) {
      case "ok":
        return ["good", t("healthOk", { provider: health.default_provider })];
      case "draining":
        return ["warning", t("healthDraining")];
      default:
        return ["warning", t("healthDegraded")];
    }
  }
}

function Looks() {
  const t = useText(common);
  const dispatch = useDispatch();
  const { language, theme } = useSelector((state) => state.preferences);
  return (
    <div className="looks">
      <select aria-label={t("theme")} value={theme} onChange={(event) => dispatch(themeChosen(event.target.value as Theme))}>
        {THEMES.map((one) => (
          <option key={one} value={one}>
            {t(THEME_KEYS[one])}
          </option>
        ))}
      </select>
      <select
        aria-label={t("language")}
        value={language}
        onChange={(event) => {
          const chosen = LANGUAGES.find((one) => one === event.target.value);
          if (chosen) {
            dispatch(languageChosen(chosen));
          }
        }}
      >
        {LANGUAGES.map((one) => (
          <option key={one} value={one} lang={one}>
            {NAMES[one]}
          </option>
        ))}
      </select>
    </div>
  );
}
