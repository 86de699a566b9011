/** What is asked of the hub about files, and what of it the store is told. */

import { ApiError, json, request } from "../api.js";
import type { Dispatch } from "../store/store.js";
import type { History, Queue, Result, Task } from "./answers.js";
import { type Filter, historyRead, jobForgotten, queueRead, taskRead } from "./slice.js";

/** Where the routes begin. */
export const JOBS = "/api/v1/asr";

/** Jobs of one page. */
const PAGE = 50;

/** Which jobs to show, for the address of the history. Days are those of this place. */
export function query(filter: Filter, after: string | null = null): string {
  const asked = new URLSearchParams({ limit: String(PAGE) });
  const put = (name: string, value: string): void => {
    if (value !== "") {
      asked.set(name, value);
    }
  };
  put("state", filter.state);
  put("text", filter.text.trim().slice(0, 200));
  put("since", day(filter.since, 0));
  put("until", day(filter.until, 1));
  put("all", filter.isAll ? "true" : "");
  put("after", after ?? "");
  return `${JOBS}/history?${asked.toString()}`;
}

export async function readHistory(dispatch: Dispatch, filter: Filter, after: string | null, signal: AbortSignal): Promise<void> {
  const history = await json<History>(query(filter, after), { signal });
  if (!signal.aborted) {
    dispatch(historyRead({ history, isMore: after !== null }));
  }
}

export async function readQueue(dispatch: Dispatch): Promise<void> {
  dispatch(queueRead(await json<Queue>(`${JOBS}/queue/status`)));
}

export async function readResult(dispatch: Dispatch, id: string, signal?: AbortSignal): Promise<Result> {
  const result = await json<Result>(`${JOBS}/result/${encodeURIComponent(id)}`, { signal });
  dispatch(taskRead({ task: asTask(result) }));
  return result;
}

export async function retry(dispatch: Dispatch, id: string): Promise<Task> {
  const task = await json<Task>(`${JOBS}/retry/${encodeURIComponent(id)}`, { method: "POST" });
  dispatch(taskRead({ task }));
  return task;
}

export async function cancel(dispatch: Dispatch, id: string): Promise<Task> {
  const task = await json<Task>(`${JOBS}/cancel/${encodeURIComponent(id)}`, { method: "POST" });
  dispatch(taskRead({ task }));
  return task;
}

export async function forget(dispatch: Dispatch, id: string): Promise<void> {
  try {
    await request(`${JOBS}/task/${encodeURIComponent(id)}`, { method: "DELETE" });
  } catch (error) {
    // Somebody else was faster, which comes to the same.
    if (!(error instanceof ApiError && error.code === "unknown-job")) {
      throw error;
    }
  }
  dispatch(jobForgotten({ id }));
}

/** A list holds no texts: those of a day of jobs are megabytes. */
export function asTask(result: Result): Task {
  return { ...result, text: null, sentences: null, segments: null, formats: null } as Task;
}

function day(written: string, later: number): string {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(written);
  if (parts === null) {
    return "";
  }
  const midnight = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + later);
  return String(midnight.getTime() / 1000);
}
