/** Why the action came, in plain words; each cause leads to where it happened. */

import { timeline as texts } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { Card, clock } from "../ui/index.js";
import { rowAt } from "./column.js";
import { linkKey } from "./links.js";
import { moved, numberAt, placeOf } from "./slice.js";
import { useTimeline } from "./use.js";

export function Causes() {
  const t = useText(texts);
  const dispatch = useDispatch();
  const look = useTimeline((timeline) => timeline.look);
  const timeline = useTimeline((whole) => whole);
  const isBusy = useIsBusy();
  if (look?.action == null) {
    return (
      <Card title={t("why")}>
        <p className="timeline-lead">{look === null ? "" : t("beforeFirst")}</p>
      </Card>
    );
  }
  return (
    <Card title={t("why")} aria-busy={isBusy} data-testid="causes">
      <p className="timeline-lead">{look.causes.length > 1 ? t("whyLead") : t("noCauses")}</p>
      <ol className="timeline-causes">
        {look.causes.map(({ seq, link }) => {
          const place = placeOf(timeline, seq);
          const row = rowAt(timeline.rows, place - 1);
          const isThis = seq === look.at;
          return (
            <li key={seq}>
              <button type="button" aria-current={isThis ? "step" : undefined} onClick={() => dispatch(moved(place))}>
                <b>{t(linkKey(link))}</b>
                {isThis && <em> · {t("thisOne")}</em>}
                {row?.seq === seq && row.text !== "" && <span>{row.text}</span>}
                <small>
                  #{seq} · {row?.seq === seq ? `${row.type} · ${clock(row.ms)}` : ""}
                </small>
              </button>
            </li>
          );
        })}
      </ol>
    </Card>
  );
}

/** Whether what is shown is of another place than where one stands now. */
export function useIsBusy(): boolean {
  return useSelector(({ timeline }) => {
    if (timeline?.lookError !== null) {
      return false;
    }
    return timeline.look?.at !== numberAt(timeline, timeline.place);
  });
}
