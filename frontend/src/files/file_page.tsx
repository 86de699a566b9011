import { useCallback, useEffect, useState } from "react";

import { ApiError, messageOf } from "../api.js";
import { files as texts } from "../i18n/files.js";
import { useLocale, useText } from "../i18n/text.js";
import { repeat } from "../repeat.js";
import { go, href } from "../router.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { noticed } from "../store/notices.js";
import { Card, clock, Empty, size, Trouble } from "../ui/index.js";
import { isOver, type Result, type Task } from "./answers.js";
import { Downloads } from "./downloads.js";
import { NO_EDITS } from "./edits.js";
import { JobActions } from "./job_actions.js";
import { asTask, readResult } from "./jobs.js";
import { load, save } from "./kept.js";
import { fileOpened, taskRead } from "./slice.js";
import { Progress, StatusBadge } from "./status.js";
import { Transcript } from "./transcript.js";
import { JobWatch } from "./watching.js";

/** One file: how its job stands, and what was said in it. */
export function FilePage({ id }: { id: string }) {
  const t = useText(texts);
  const { result, trouble, isGone, reload } = useResult(id);
  const task = useSelector((state) => state.files?.tasks[id]) ?? result;
  const edits = useEdits(id);
  return (
    <>
      <p>
        <a href={href({ view: "files" })}>← {t("back")}</a>
      </p>
      {isGone && (
        <Empty title={t("gone")}>
          <p>{t("goneLead")}</p>
        </Empty>
      )}
      {trouble !== undefined && <Trouble text={trouble} onRetry={reload} />}
      {task === undefined && !isGone && trouble === undefined && <p className="loading">{t("asking")}</p>}
      {task !== undefined && !isGone && <Head task={task} onRetried={reload} />}
      {task !== undefined && !isGone && result?.segments && (
        <>
          {result.segments.length === 0 && (
            <Empty title={t("silent")}>
              <p>{t("silentLead")}</p>
            </Empty>
          )}
          <Transcript task={task} segments={result.segments} edits={edits} />
          <Downloads result={result} edits={edits} />
        </>
      )}
    </>
  );
}

function Head({ task, onRetried }: { task: Task; onRetried: () => void }) {
  const t = useText(texts);
  const locale = useLocale();
  const at = new Date(task.created_at * 1000).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
  const took = task.started_at !== null && task.finished_at !== null ? task.finished_at - task.started_at : null;
  const facts: [string, string | null][] = [
    [t("provider"), task.provider],
    [t("language"), task.language],
    [t("length"), task.duration === null ? null : clock(task.duration * 1000, 0)],
    [t("size"), size(task.size)],
    [t("sent"), at],
    [t("took"), took === null ? null : clock(took * 1000)],
  ];
  return (
    <Card className="files-head">
      <div className="files-title">
        <h1>{task.name}</h1>
        <StatusBadge status={task.status} />
        <JobActions task={task} onRetried={onRetried} onForgotten={() => go({ view: "files" })} />
      </div>
      <dl className="files-meta">
        {facts.map(
          ([name, value]) =>
            value !== null && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
      <div aria-live="polite">
        <Progress task={task} />
      </div>
      {task.error !== null && <Trouble text={task.error.message} />}
      {task.warnings.map((warning) => (
        <p key={warning} className="files-warning">
          {warning}
        </p>
      ))}
    </Card>
  );
}

/** What the hub knows of the job: asked for once, and again when the hub told that it is over. */
function useResult(id: string) {
  const dispatch = useDispatch();
  const [result, setResult] = useState<Result>();
  const [trouble, setTrouble] = useState<string>();
  const [isGone, setGone] = useState(false);
  const [turn, setTurn] = useState(0);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const watch = new JobWatch(dispatch, reload);
    const ask = async (): Promise<void> => {
      const read = await readResult(dispatch, id, signal);
      if (signal.aborted) {
        return;
      }
      dispatch(taskRead({ task: asTask(read), isNew: true }));
      setResult(read);
      setTrouble(undefined);
      if (!isOver(read.status)) {
        watch.want([id]);
      }
    };
    const onFailure = (error: unknown): void => {
      if (error instanceof ApiError && error.code === "unknown-job") {
        setGone(true);
      } else {
        setTrouble(messageOf(error));
      }
    };
    void repeat(ask, { signal, onFailure });
    return () => {
      abort.abort();
      watch.close();
    };
  }, [dispatch, id, turn, reload]);
  return { result, trouble, isGone, reload };
}

/** The edits of the file that is open: as they were left in this browser, and left there again. */
function useEdits(id: string) {
  const t = useText(texts);
  const dispatch = useDispatch();
  const open = useSelector((state) => state.files?.open);
  const edits = open?.id === id ? open.edits : undefined;
  useEffect(() => {
    dispatch(fileOpened({ id, edits: load(localStorage, id) }));
  }, [dispatch, id]);
  useEffect(() => {
    if (edits !== undefined && !save(localStorage, id, edits)) {
      dispatch(noticed("warning", t("editsNotKept")));
    }
  }, [dispatch, id, edits, t]);
  return edits ?? NO_EDITS;
}
