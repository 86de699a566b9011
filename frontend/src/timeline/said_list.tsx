/** The transcript as it stood when the action came. */

import { useMemo } from "react";

import { timeline as texts } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import { stablePart } from "../store/transcript.js";
import { useDispatch } from "../store/hooks.js";
import { Button, Card, clock } from "../ui/index.js";
import { type Said as Line, saidAt } from "./said.js";
import { moved, placeOf, rowHere } from "./slice.js";
import { useTimeline } from "./use.js";

/** Utterances that are shown, the newest. */
const SHOWN = 60;

export function Said() {
  const t = useText(texts);
  const dispatch = useDispatch();
  const timeline = useTimeline((whole) => whole);
  const { rows, place, before } = timeline;
  const all = useMemo(() => saidAt(rows, place, before), [rows, place, before]);
  const here = rowHere(timeline)?.utterance;
  const shown = all.slice(-SHOWN);
  return (
    <Card title={t("transcript")}>
      {all.length === 0 && <p className="timeline-lead">{t("nothingSaid")}</p>}
      {all.length > shown.length && <small>{t("earlier", { count: all.length - shown.length })}</small>}
      <ol className="timeline-said">
        {shown.map((line) => (
          <li key={`${line.utterance} ${line.stable === null}`} aria-current={line.utterance === here ? "true" : undefined}>
            <span className="timeline-when">{clock(line.from)}</span>
            <div>
              <Text line={line} />
              {line.former.map((text, index) => (
                <small key={index}>
                  {t("formerly")} <del>{text}</del>
                </small>
              ))}
            </div>
            {line.seq !== null && (
              <Button
                kind="quiet"
                aria-label={t("goTo", { seq: line.seq })}
                onClick={() => dispatch(moved(placeOf(timeline, line.seq ?? 0)))}
              >
                #{line.seq}
              </Button>
            )}
          </li>
        ))}
      </ol>
    </Card>
  );
}

function Text({ line }: { line: Line }) {
  if (line.stable === null) {
    return <p data-testid="final">{line.text}</p>;
  }
  const [stable, rest] = stablePart({ text: line.text, stable: line.stable });
  return (
    <p className="timeline-partial" data-testid="partial">
      {stable}
      <i>{rest}</i>
    </p>
  );
}
