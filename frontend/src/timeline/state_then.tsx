/** The action, and the state after it, with what it changed. */

import { memo, useMemo } from "react";

import { timeline as texts } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import { Badge, Card, Trouble } from "../ui/index.js";
import { useIsBusy } from "./causes.js";
import { type Change, diff, touched } from "./diff.js";
import { Tree, Value } from "./tree.js";
import { useTimeline } from "./use.js";

/** Changes that are listed; the tree marks all. */
const LISTED = 12;

export function StateThen() {
  const t = useText(texts);
  const look = useTimeline((timeline) => timeline.look);
  const error = useTimeline((timeline) => timeline.lookError);
  const isBusy = useIsBusy();
  const isOver = useTimeline(({ reading, source }) => reading === "over" && source?.of === "sessions");
  const changes = useMemo(() => (look?.before == null ? [] : diff(look.before, look.state)), [look]);
  const marked = useMemo(() => touched(changes), [changes]);
  return (
    <>
      <Card title={t("action")} aria-busy={isBusy}>
        {look?.action == null ? (
          <p className="timeline-lead">{look === null ? "" : t("beforeFirst")}</p>
        ) : (
          <Json value={look.action} label={t("action")} id="action" />
        )}
      </Card>
      <Card title={t("state")} aria-busy={isBusy} actions={<Count count={changes.length} isAction={look?.action != null} />}>
        {error !== null && !isOver && <Trouble text={error} />}
        {look !== null && (
          <>
            <p className="timeline-lead">{t("stateLead", { at: look.at })}</p>
            <Changes changes={changes} />
            <Tree key={look.at} value={look.state} marked={marked} />
            <details>
              <summary>{t("asJson")}</summary>
              <Json value={look.state} label={t("asJson")} id="state" at={look.at} />
            </details>
          </>
        )}
      </Card>
    </>
  );
}

function Count({ count, isAction }: { count: number; isAction: boolean }) {
  const t = useText(texts);
  if (!isAction) {
    return null;
  }
  return count === 0 ? <small>{t("noChanges")}</small> : <Badge kind="accent">{t("changes", { count })}</Badge>;
}

function Changes({ changes }: { changes: readonly Change[] }) {
  const t = useText(texts);
  return (
    <>
      <ul className="timeline-changes">
        {changes.slice(0, LISTED).map((change) => (
          <li key={change.path.join("/")}>
            <code>{change.path.join(" › ")}</code>
            <span>
              {change.before === undefined ? <Badge kind="good">{t("added")}</Badge> : <Value value={change.before} isOld />}
              <span aria-hidden="true"> → </span>
              {change.after === undefined ? <Badge kind="bad">{t("gone")}</Badge> : <Value value={change.after} />}
            </span>
          </li>
        ))}
      </ul>
      {changes.length > LISTED && <small>{t("andMore", { count: changes.length - LISTED })}</small>}
    </>
  );
}

/** As the hub gave it. */
const Json = memo(function Json({ value, label, id, at }: { value: unknown; label: string; id: string; at?: number }) {
  const text = useMemo(() => JSON.stringify(value, null, 2), [value]);
  return (
    <pre className="timeline-json" tabIndex={0} role="group" aria-label={label} data-testid={id} data-at={at}>
      {text}
    </pre>
  );
});
