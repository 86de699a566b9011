import { useRef, useState } from "react";

import { messageOf } from "../api.js";
import { files as texts } from "../i18n/files.js";
import { useText } from "../i18n/text.js";
import { useDispatch } from "../store/hooks.js";
import { noticed, troubleOver } from "../store/notices.js";
import { Button, Dialog, Row, useFocusKept } from "../ui/index.js";
import { isOver, type Task } from "./answers.js";
import { cancel, forget, retry } from "./jobs.js";

export interface JobActionsProps {
  task: Task;
  onForgotten?: () => void;
  onRetried?: () => void;
}

/** What can be done with a job as it stands. */
export function JobActions({ task, onForgotten, onRetried }: JobActionsProps) {
  const t = useText(texts);
  const dispatch = useDispatch();
  const [isAsking, setAsking] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const actions = useRef<HTMLSpanElement>(null);
  useFocusKept(actions);
  const { task_id: id, name, status } = task;
  const doing = (work: () => Promise<unknown>, then?: () => void): void => {
    setBusy(true);
    work()
      .then(() => {
        dispatch(troubleOver());
        then?.();
      }, (error: unknown) => dispatch(noticed("error", messageOf(error))))
      .finally(() => setBusy(false));
  };
  return (
    <span ref={actions} className="files-actions">
      {(status === "failed" || status === "cancelled") && (
        <Button kind="quiet" disabled={isBusy} aria-label={t("retryFile", { name })} onClick={() => doing(() => retry(dispatch, id), onRetried)}>
          {t("retry")}
        </Button>
      )}
      {!isOver(status) && (
        <Button kind="quiet" disabled={isBusy} aria-label={t("cancelFile", { name })} onClick={() => doing(() => cancel(dispatch, id))}>
          {t("cancel")}
        </Button>
      )}
      <Button kind="quiet" disabled={isBusy} aria-label={t("deleteFile", { name })} onClick={() => setAsking(true)}>
        {t("delete")}
      </Button>
      <Dialog title={t("deleteTitle")} isOpen={isAsking} onClose={() => setAsking(false)}>
        <p>{t("deleteLead", { name })}</p>
        <Row>
          <Button onClick={() => setAsking(false)}>{t("keep")}</Button>
          <Button
            kind="danger"
            onClick={() => {
              setAsking(false);
              doing(() => forget(dispatch, id), onForgotten);
            }}
          >
            {t("deleteForGood")}
          </Button>
        </Row>
      </Dialog>
    </span>
  );
}
