/** The actions as a list, as long as it may be. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useMemo, useRef } from "react";

import { timeline as texts } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import { useDispatch } from "../store/hooks.js";
import { Button, Card, clock, Empty, Field, Row, Select, useFocusKept } from "../ui/index.js";
import { rowAt } from "./column.js";
import { ALL, passing, typesOf } from "./filter.js";
import { GROUPS } from "./rows.js";
import { filtered, moved } from "./slice.js";
import { useTimeline } from "./use.js";

/** Pixels of one row. */
const ROW = 44;

export function Actions() {
  const t = useText(texts);
  const rows = useTimeline((timeline) => timeline.rows);
  const place = useTimeline((timeline) => timeline.place);
  const filter = useTimeline((timeline) => timeline.filter);
  const dispatch = useDispatch();
  const indices = useMemo(() => passing(rows, filter), [rows, filter]);
  const frame = useRef<HTMLDivElement>(null);
  const count = indices?.length ?? rows.length;
  const virtual = useVirtualizer({ count, getScrollElement: () => frame.current, estimateSize: () => ROW, overscan: 8 });
  const chosen = place === 0 ? -1 : indices === null ? place - 1 : lastUpTo(indices, place - 1);
  useEffect(() => {
    if (chosen >= 0) {
      virtual.scrollToIndex(chosen, { align: "auto" });
    }
  }, [virtual, chosen]);
  const keys = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -count, End: count }[event.key];
    if (step !== undefined && count > 0) {
      event.preventDefault();
      const next = Math.min(count - 1, Math.max(0, chosen + step));
      dispatch(moved((indices?.[next] ?? next) + 1));
    }
  };
  return (
    <Card title={t("list")} className="timeline-list">
      <Filters shown={count} />
      {count === 0 && rows.length > 0 ? (
        <Empty title={t("nonePass")}>
          <Button onClick={() => dispatch(filtered(ALL))}>{t("clearFilter")}</Button>
        </Empty>
      ) : (
        <div ref={frame} className="timeline-frame" tabIndex={0} role="listbox" aria-label={t("list")} onKeyDown={keys}
          aria-activedescendant={chosen >= 0 ? `timeline-row-${chosen}` : undefined}>
          <div role="presentation" style={{ blockSize: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map(({ index, start }) => {
              const at = indices?.[index] ?? index;
              const row = rowAt(rows, at);
              return row === undefined ? null : (
                <div
                  key={row.seq}
                  id={`timeline-row-${index}`}
                  role="option"
                  aria-selected={at === place - 1}
                  aria-posinset={index + 1}
                  aria-setsize={count}
                  className={`timeline-row timeline-${row.group}`}
                  data-seq={row.seq}
                  style={{ transform: `translateY(${start}px)` }}
                  onClick={() => dispatch(moved(at + 1))}
                >
                  <span className="timeline-seq">{row.seq}</span>
                  <span className="timeline-what">
                    <b>{row.type}</b>
                    <span>{row.text}</span>
                  </span>
                  <span className="timeline-when">{clock(row.ms)}</span>
                </div>
              );
            })}
          </div>
        </div>
      )}
    </Card>
  );
}

function Filters({ shown }: { shown: number }) {
  const t = useText(texts);
  const dispatch = useDispatch();
  const { kind, text, utterance } = useTimeline((timeline) => timeline.filter);
  const rows = useTimeline((timeline) => timeline.rows);
  const types = useMemo(() => typesOf(rows), [rows]);
  const options = [
    { value: "", text: t("filterAll") },
    ...GROUPS.map((group) => ({ value: group, text: t(`group_${group}`) })),
    { value: "-", text: `— ${t("types")} —`, disabled: true },
    ...types.map((type) => ({ value: type, text: type })),
  ];
  const list = useRef<HTMLDivElement>(null);
  useFocusKept(list);
  const isFiltered = kind !== "" || text !== "" || utterance !== null;
  return (
    <div ref={list} className="timeline-filters">
      <Select label={t("filterKind")} options={options} value={kind} onPick={(picked) => dispatch(filtered({ kind: picked }))} />
      <Field label={t("filterText")} type="search" value={text} onChange={(event) => dispatch(filtered({ text: event.target.value }))} />
      <Field
        label={t("filterUtterance")}
        type="number"
        min={1}
        value={utterance ?? ""}
        onChange={(event) => dispatch(filtered({ utterance: event.target.value === "" ? null : Number(event.target.value) }))}
      />
      {isFiltered && (
        <Row className="timeline-shown">
          <small role="status">{t("shownOf", { shown, count: rows.length })}</small>
          <Button kind="quiet" onClick={() => dispatch(filtered(ALL))}>
            {t("clearFilter")}
          </Button>
        </Row>
      )}
    </div>
  );
}

/** Where the last of the ascending `numbers` is that is not above `most`; -1 where there is none. */
function lastUpTo(numbers: readonly number[], most: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] ?? Infinity) <= most) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}
