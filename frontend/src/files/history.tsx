import { useEffect, useMemo, useRef, useState } from "react";

import { key, messageOf } from "../api.js";
import { files as texts } from "../i18n/files.js";
import { useLocale, useText } from "../i18n/text.js";
import { pause, repeat } from "../repeat.js";
import { href } from "../router.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { noticed, troubleOver } from "../store/notices.js";
import { Button, Card, clock, Empty, Field, Select, size, Switch, Trouble, useFocusKept } from "../ui/index.js";
import { STATUSES, type Task } from "./answers.js";
import { JobActions } from "./job_actions.js";
import { readHistory, readQueue, readResult } from "./jobs.js";
import { filterChanged, type Filter, injected, NO_FILTER } from "./slice.js";
import { Progress, STATUS_KEYS, StatusBadge } from "./status.js";
import { JobWatch, nearest } from "./watching.js";

/** Milliseconds of quiet before a filter that is typed is asked for. */
const QUIET = 300;

const NOTHING = injected.getInitialState();

/** The jobs of this key, the newest first, with live progress. */
export function HistoryCard() {
  const t = useText(texts);
  const dispatch = useDispatch();
  const { filter, tasks, order, total, next, queue } = useSelector((state) => state.files) ?? NOTHING;
  const [isLoading, setLoading] = useState(true);
  const [trouble, setTrouble] = useState<string>();
  const [turn, setTurn] = useState(0);
  const rows = useMemo(() => order.flatMap((id) => tasks[id] ?? []), [order, tasks]);
  useWatch(rows);
  const list = useRef<HTMLUListElement>(null);
  useFocusKept(list);

  // Of this filter: what was asked for another is not wanted any more.
  const [asked, setAsked] = useState<AbortController>();
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const ask = async (): Promise<void> => {
      await readHistory(dispatch, filter, null, signal);
      if (!signal.aborted) {
        setTrouble(undefined);
        setLoading(false);
      }
    };
    const onFailure = (error: unknown): void => {
      setTrouble(messageOf(error));
      setLoading(false);
    };
    setAsked(abort);
    setLoading(true);
    const quiet = turn === 0 && filter === NO_FILTER ? 0 : QUIET;
    void pause(quiet, signal).then(() => repeat(ask, { signal, onFailure }));
    return () => abort.abort();
  }, [dispatch, filter, turn]);

  const more = async (): Promise<void> => {
    const signal = asked?.signal ?? AbortSignal.abort();
    setLoading(true);
    try {
      await readHistory(dispatch, filter, next, signal);
      dispatch(troubleOver());
    } catch (error) {
      if (!signal.aborted) {
        dispatch(noticed("error", messageOf(error)));
      }
    }
    setLoading((before) => before && signal.aborted);
  };
  const isFiltered = filter.state !== "" || filter.text !== "" || filter.since !== "" || filter.until !== "";
  const [waiting, working] = [sum(queue?.queued), sum(queue?.processing)];
  return (
    <Card
      title={t("history")}
      actions={queue !== null && <small role="status">{t("queue", { waiting, working })}</small>}
      aria-busy={isLoading}
    >
      <Filters filter={filter} onChange={(change) => dispatch(filterChanged(change))} />
      {trouble !== undefined && <Trouble text={trouble} onRetry={() => setTurn(turn + 1)} />}
      {rows.length > 0 && (
        <ul ref={list} className="files-list">
          {rows.map((task) => (
            <Line key={task.task_id} task={task} />
          ))}
        </ul>
      )}
      {rows.length === 0 && trouble === undefined && !isLoading && (
        <Empty title={isFiltered ? t("noneFound") : t("noneYet")}>
          <p>{isFiltered ? t("noneFoundLead") : t("noneYetLead")}</p>
          {isFiltered && <Button onClick={() => dispatch(filterChanged(NO_FILTER))}>{t("allFiles")}</Button>}
        </Empty>
      )}
      {rows.length > 0 && (
        <div className="files-foot">
          <small>{t("shown", { count: rows.length, total })}</small>
          {next !== null && (
            <Button disabled={isLoading} onClick={() => void more()}>
              {t("more")}
            </Button>
          )}
        </div>
      )}
    </Card>
  );
}

/** The hub tells of the jobs that come next; the queue is asked for when one begins or is over. */
function useWatch(rows: readonly Task[]): void {
  const dispatch = useDispatch();
  const [watch, setWatch] = useState<JobWatch>();
  useEffect(() => {
    const look = (): void => void readQueue(dispatch).catch(() => undefined);
    const made = new JobWatch(dispatch, (id) => {
      look();
      // What was heard tells the language too.
      void readResult(dispatch, id).catch(() => undefined);
    });
    setWatch(made);
    return () => made.close();
  }, [dispatch]);
  // Also when one of them begins to be heard, which is told as its progress.
  const working = rows.filter(({ status }) => status === "processing").map(({ task_id }) => task_id).join(" ");
  useEffect(() => void readQueue(dispatch).catch(() => undefined), [dispatch, working]);
  const wanted = nearest(rows).join(" ");
  useEffect(() => {
    watch?.want(wanted === "" ? [] : wanted.split(" "));
  }, [watch, wanted]);
}

function Line({ task }: { task: Task }) {
  const t = useText(texts);
  const locale = useLocale();
  const date = new Date(task.created_at * 1000);
  const facts = [
    task.duration === null ? size(task.size) : clock(task.duration * 1000, 0),
    task.provider,
    task.language,
    task.channels === "split" ? t("channelsSplit") : null,
    task.principal,
  ].filter((fact) => fact !== null && fact !== "");
  return (
    <li className="files-job" data-testid="job">
      <a className="files-name" href={href({ view: "files", id: task.task_id })}>
        {task.name}
      </a>
      <StatusBadge status={task.status} />
      <small className="files-facts">
        {facts.join(" · ")} ·{" "}
        <time dateTime={date.toISOString()}>{date.toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" })}</time>
      </small>
      <Progress task={task} />
      {task.error !== null && <small className="files-error">{task.error.message}</small>}
      <JobActions task={task} />
    </li>
  );
}

function Filters({ filter, onChange }: { filter: Filter; onChange: (change: Partial<Filter>) => void }) {
  const t = useText(texts);
  return (
    <div className="files-filters" role="search" aria-label={t("filters")}>
      <Field
        label={t("search")}
        type="search"
        maxLength={200}
        value={filter.text}
        onChange={(event) => onChange({ text: event.target.value })}
      />
      <Select
        label={t("state")}
        value={filter.state}
        onPick={(state) => onChange({ state: state as Filter["state"] })}
        options={[{ value: "", text: t("anyState") }, ...STATUSES.map((value) => ({ value, text: t(STATUS_KEYS[value]) }))]}
      />
      <Field label={t("since")} type="date" value={filter.since} onChange={(event) => onChange({ since: event.target.value })} />
      <Field label={t("until")} type="date" value={filter.until} onChange={(event) => onChange({ until: event.target.value })} />
      {/* Without a key there is nobody else. */}
      {key() !== undefined && <Switch label={t("everybody")} isOn={filter.isAll} onSwitch={(isAll) => onChange({ isAll })} />}
    </div>
  );
}

function sum(counts: Readonly<Record<string, number>> | undefined): number {
  return Object.values(counts ?? {}).reduce((all, one) => all + one, 0);
}
