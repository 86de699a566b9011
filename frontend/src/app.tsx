/** The page around the views. */

import { Component, lazy, type ReactNode, Suspense, useEffect, useRef } from "react";

import { Header } from "./header.js";
import { common } from "./i18n/common.js";
import { useText } from "./i18n/text.js";
import { KeyMissing, KeyPrompt } from "./key_prompt.js";
import Live from "./live/index.js";
import { Notices } from "./notices.js";
import { href, type Route, useRoute } from "./router.js";
import { useDispatch, useSelector } from "./store/hooks.js";
import { troubleOver } from "./store/notices.js";
import { Empty, focusContent, Trouble } from "./ui/index.js";

const Watch = lazy(() => import("./watch/index.js"));
const Captions = lazy(() => import("./watch/captions.js"));
const Files = lazy(() => import("./files/index.js"));
const Time = lazy(() => import("./timeline/index.js"));
const Hub = lazy(() => import("./hub/index.js"));

export function App() {
  const route = useRoute();
  const t = useText(common);
  useLook(route);
  useArrival(route);
  if (route.view === "captions") {
    return (
      <Suspense>
        <Captions route={route} />
        <KeyPrompt />
      </Suspense>
    );
  }
  return (
    <>
      <a className="skip" href="#content" onClick={toContent}>
        {t("skip")}
      </a>
      <Header view={route.view} />
      <KeyMissing />
      <Guard key={route.view} text={t("viewFailed")}>
        <Suspense fallback={<p className="loading">{t("loading")}</p>}>
          <View route={route} />
        </Suspense>
      </Guard>
      <Notices />
      <KeyPrompt />
    </>
  );
}

function View({ route }: { route: Exclude<Route, { view: "captions" }> }) {
  switch (route.view) {
    case "watch":
      return <Watch route={route} />;
    case "files":
      return <Files route={route} />;
    case "time":
      return <Time route={route} />;
    case "hub":
      return <Hub route={route} />;
    case "live":
      return <Live />;
    case "nowhere":
      return <Nowhere />;
  }
}

/** An address that leads to no view. */
function Nowhere() {
  const t = useText(common);
  return (
    <main id="content">
      <Empty title={t("nowhere")}>
        <p>{t("nowhereLead")}</p>
        <a href={href({ view: "live" })}>{t("live")}</a>
      </Empty>
    </main>
  );
}

/** Language, theme and title, where the document keeps them. */
function useLook(route: Route): void {
  const { language, theme } = useSelector((state) => state.preferences);
  const t = useText(common);
  const root = document.documentElement;
  const title = route.view === "captions" ? t("watch") : t(route.view);
  useEffect(() => {
    root.lang = language === "zh" ? "zh-Hans" : "en";
    root.dataset["theme"] = theme;
    root.dataset["view"] = route.view;
    document.title = `${title} · ASR Hub`;
  }, [root, language, theme, route.view, title]);
}

/** The hash is the route, so the browser cannot jump there by itself. */
function toContent(event: { preventDefault: () => void }): void {
  event.preventDefault();
  focusContent();
}

/** Another place begins at its top, without what went wrong elsewhere, and has the keyboard where what led to it is gone. */
function useArrival(route: Route): void {
  const dispatch = useDispatch();
  const before = useRef(route);
  useEffect(() => {
    if (before.current === route) {
      return;
    }
    before.current = route;
    scrollTo(0, 0);
    dispatch(troubleOver());
    if (document.activeElement === document.body) {
      focusContent();
    }
  }, [dispatch, route]);
}

/** A view that fails does not take the page with it. */
class Guard extends Component<{ text: string; children: ReactNode }, { failed: string | undefined }> {
  override state: { failed: string | undefined } = { failed: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { failed: error instanceof Error ? error.message : String(error) };
  }

  override render() {
    const { failed } = this.state;
    if (failed === undefined) {
      return this.props.children;
    }
    return (
      <main id="content">
        <Trouble text={`${this.props.text} ${failed}`} onRetry={() => this.setState({ failed: undefined })} />
      </main>
    );
  }
}
