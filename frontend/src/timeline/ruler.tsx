/** The session in audio time, in lanes: pressed to go there, and zoomed. */

import { type MouseEvent, useEffect, useMemo, useRef, useState } from "react";

import { timeline as texts } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import { useDispatch } from "../store/hooks.js";
import { Button, Row } from "../ui/index.js";
import { draw, GUTTER, HEIGHT } from "./drawing.js";
import { LANES, lanesOf, type Range, showing, zoomed } from "./lanes.js";
import { audioAt, moved, placeAt } from "./slice.js";
import { useTimeline } from "./use.js";

const NAMES = {
  speech: "laneSpeech",
  utterances: "laneUtterances",
  commands: "laneCommands",
  engine: "laneEngine",
  failures: "laneFailures",
} as const;

export function Ruler() {
  const t = useText(texts);
  const dispatch = useDispatch();
  const timeline = useTimeline((whole) => whole);
  const lanes = useMemo(() => lanesOf(timeline.rows), [timeline.rows]);
  const here = audioAt(timeline);
  /** Null: all of it, however long it gets. */
  const [zoom, setZoom] = useState<Range | null>(null);
  const range = zoom === null ? { from: 0, to: Math.max(1000, lanes.end) } : showing(zoom, here);
  const { from, to } = range;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const look = useLook();
  useEffect(() => {
    const observed = canvas.current;
    if (observed === null) {
      return undefined;
    }
    const observer = new ResizeObserver(() => setWidth(observed.clientWidth));
    observer.observe(observed);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (canvas.current !== null && width > 0) {
      const names = LANES.map((lane) => t(NAMES[lane]));
      draw(canvas.current, { lanes, range: { from, to }, here, names });
    }
  }, [lanes, from, to, here, width, t, look]);
  const msAt = (event: MouseEvent): number => {
    const { left } = event.currentTarget.getBoundingClientRect();
    return from + ((event.clientX - left - GUTTER) / Math.max(1, width - GUTTER)) * (to - from);
  };
  const closer = (factor: number, around: number): void => {
    const next = zoomed(range, factor, around, lanes.end);
    setZoom(next.to - next.from >= lanes.end ? null : next);
  };
  return (
    <div className="timeline-ruler">
      <canvas
        ref={canvas}
        height={HEIGHT}
        role="img"
        aria-label={t("ruler")}
        onClick={(event) => dispatch(moved(placeAt(timeline, Math.max(0, msAt(event)))))}
      />
      <Row className="timeline-zoom">
        <Button kind="quiet" aria-label={t("zoomOut")} title={t("zoomOut")} disabled={zoom === null} onClick={() => closer(2, here)}>
          −
        </Button>
        <Button kind="quiet" aria-label={t("zoomIn")} title={t("zoomIn")} onClick={() => closer(0.5, here)}>
          +
        </Button>
        <Button kind="quiet" disabled={zoom === null} onClick={() => setZoom(null)}>
          {t("zoomAll")}
        </Button>
      </Row>
    </div>
  );
}

/** Changes when the colours do. */
function useLook(): string {
  const [isDark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const changed = (): void => setDark(query.matches);
    query.addEventListener("change", changed);
    const observer = new MutationObserver(() => setTheme(document.documentElement.dataset["theme"] ?? ""));
    observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      query.removeEventListener("change", changed);
      observer.disconnect();
    };
  }, []);
  const [theme, setTheme] = useState("");
  return `${isDark} ${theme}`;
}
