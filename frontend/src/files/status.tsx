import { files as texts } from "../i18n/files.js";
import { useText } from "../i18n/text.js";
import { Badge, Meter } from "../ui/index.js";
import type { Status, Task } from "./answers.js";

const LOOKS = { queued: "plain", processing: "accent", done: "good", failed: "bad", cancelled: "plain" } as const;

export const STATUS_KEYS = {
  queued: "queued",
  processing: "processing",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
} as const satisfies Record<Status, string>;

export function StatusBadge({ status }: { status: Status }) {
  const t = useText(texts);
  return <Badge kind={LOOKS[status]}>{t(STATUS_KEYS[status])}</Badge>;
}

/** How far a job is, while it is not over. */
export function Progress({ task }: { task: Task }) {
  const t = useText(texts);
  if (task.status === "processing") {
    return (
      <span className="files-progress">
        <Meter label={t("progressOf", { name: task.name })} value={task.progress / 100} />
        <small>{t("percent", { value: Math.floor(task.progress) })}</small>
      </span>
    );
  }
  if (task.status !== "queued") {
    return null;
  }
  const wait = task.estimated_wait === null ? "" : ` · ${t("wait", { seconds: Math.ceil(task.estimated_wait) })}`;
  return <small>{(task.position === null ? t("waits") : t("position", { count: task.position })) + wait}</small>;
}
