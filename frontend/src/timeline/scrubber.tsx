/** Where one stands, and how to go elsewhere. */

import { type ChangeEvent, type KeyboardEvent, useId, useState } from "react";

import { timeline as texts } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import { useDispatch } from "../store/hooks.js";
import { Button, clock, Switch } from "../ui/index.js";
import { audioAt, followChosen, moved, numberAt, placeOf, rowHere } from "./slice.js";
import { useTimeline } from "./use.js";

/** Actions of one press of a Page key. */
const LEAP = 10;

export function Scrubber() {
  const t = useText(texts);
  const dispatch = useDispatch();
  const timeline = useTimeline((whole) => whole);
  const { place, rows, source } = timeline;
  const count = rows.length;
  const seq = numberAt(timeline, place);
  const to = (next: number): void => {
    dispatch(moved(next));
  };
  const leap = (event: KeyboardEvent): void => {
    if (event.key === "PageUp" || event.key === "PageDown") {
      event.preventDefault();
      to(place + (event.key === "PageUp" ? LEAP : -LEAP));
    }
  };
  const time = clock(audioAt(timeline), 2);
  return (
    <div className="timeline-scrubber">
      <input
        type="range"
        min={0}
        max={count}
        step={1}
        value={place}
        aria-label={t("position")}
        aria-valuetext={t("positionText", { seq, place, count, time })}
        onChange={(event) => to(Number(event.target.value))}
        onKeyDown={leap}
      />
      <div className="timeline-steps">
        <div role="group" aria-label={t("position")} className="timeline-buttons">
          <Button aria-label={t("first")} title={t("first")} disabled={place <= 1} onClick={() => to(1)}>
            ⇤
          </Button>
          <Button aria-label={t("previous")} title={t("previous")} disabled={place === 0} onClick={() => to(place - 1)}>
            ←
          </Button>
          <Button aria-label={t("next")} title={t("next")} disabled={place === count} onClick={() => to(place + 1)}>
            →
          </Button>
          <Button aria-label={t("last")} title={t("last")} disabled={place === count} onClick={() => to(count)}>
            ⇥
          </Button>
        </div>
        <ByNumber seq={seq} onNumber={(number) => to(placeOf(timeline, number))} />
        <span className="timeline-time" title={rowHere(timeline)?.type}>
          {time}
        </span>
        {source?.of === "sessions" && (
          <Switch label={t("follow")} isOn={timeline.follows} onSwitch={(isOn) => dispatch(followChosen(isOn))} />
        )}
      </div>
    </div>
  );
}

function ByNumber({ seq, onNumber }: { seq: number; onNumber: (seq: number) => void }) {
  const t = useText(texts);
  const id = useId();
  const last = useTimeline((timeline) => numberAt(timeline, timeline.rows.length));
  // Where numbers are missing one stands at another than was typed, and more digits may follow.
  const [typed, type] = useState<string>();
  const changed = ({ target: { value } }: ChangeEvent<HTMLInputElement>): void => {
    type(value);
    if (value !== "") {
      onNumber(Number(value));
    }
  };
  return (
    <div className="timeline-number">
      <label htmlFor={id}>{t("number")}</label>
      <input id={id} className="input" type="number" min={0} max={last} value={typed ?? seq} onChange={changed} onBlur={() => type(undefined)} />
      <small>{t("of", { count: last })}</small>
    </div>
  );
}
