import { useRef, useState } from "react";

import { hub as texts } from "../i18n/hub.js";
import { useText } from "../i18n/text.js";
import { Button, Field, useFocusKept } from "../ui/index.js";
import { type Fault, type Line, MAX_CHARACTERS, MAX_WEIGHT, MIN_WEIGHT, pasted } from "./hotwords.js";

const FAULTS = {
  empty: "faultEmpty",
  long: "faultLong",
  unprintable: "faultUnprintable",
  weight: "faultWeight",
  twice: "faultTwice",
} as const satisfies Record<Fault, string>;

export interface HotwordLinesProps {
  lines: readonly Line[];
  faults: readonly (Fault | null)[];
  onChange: (lines: Line[]) => void;
}

/** Words with their weights, and what is wrong with each. */
export function HotwordLines({ lines, faults, onChange }: HotwordLinesProps) {
  const t = useText(texts);
  const [typed, type] = useState("");
  const list = useRef<HTMLUListElement>(null);
  useFocusKept(list);
  const put = (at: number, change: Partial<Line>): void => onChange(lines.map((line, index) => (index === at ? { ...line, ...change } : line)));
  return (
    <>
      <form
        className="hub-add"
        onSubmit={(event) => {
          event.preventDefault();
          onChange([...pasted(typed), ...lines]);
          type("");
        }}
      >
        <Field label={t("addWords")} hint={t("addHint")} value={typed} onChange={(event) => type(event.target.value)} />
        <Button type="submit" disabled={pasted(typed).length === 0}>
          {t("add")}
        </Button>
      </form>
      {lines.length === 0 && <p className="hub-soft">{t("noWords")}</p>}
      {lines.length > 0 && (
        <ul ref={list} className="hub-words" tabIndex={0} aria-label={t("hotwords")}>
          {lines.map((line, at) => {
            const fault = faults[at];
            const name = line.text === "" ? String(at + 1) : line.text;
            return (
              <li key={at} data-testid="hotword">
                <input
                  className="input"
                  aria-label={t("wordNumber", { number: at + 1 })}
                  aria-invalid={fault !== null && fault !== undefined && fault !== "weight"}
                  value={line.text}
                  onChange={(event) => put(at, { text: event.target.value })}
                />
                <input
                  className="input"
                  type="number"
                  min={MIN_WEIGHT}
                  max={MAX_WEIGHT}
                  step="any"
                  aria-label={t("weightOf", { name })}
                  aria-invalid={fault === "weight"}
                  value={line.weight}
                  onChange={(event) => put(at, { weight: event.target.value })}
                />
                <Button kind="quiet" aria-label={t("removeWord", { name })} onClick={() => onChange(lines.filter((_, index) => index !== at))}>
                  ✕
                </Button>
                {fault && (
                  <small className="hub-bad" role="alert">
                    {t(FAULTS[fault], { max: MAX_CHARACTERS, from: MIN_WEIGHT, to: MAX_WEIGHT })}
                  </small>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}
