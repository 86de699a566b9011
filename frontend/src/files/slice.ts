/** Files that are sent, their jobs, and what a person changed in the one that is open. */

import { createAction, createSlice, isAnyOf, type PayloadAction, type WithSlice } from "@reduxjs/toolkit";

import { reducer } from "../store/store.js";
import { type History, type JobMessage, type Queue, type Status, type Task, told } from "./answers.js";
import { edited, type Edits, NO_EDITS, redone, undone } from "./edits.js";

export interface Upload {
  key: string;
  name: string;
  /** Bytes */
  size: number;
  /** Bytes that have left. */
  sent: number;
  state: "waiting" | "sending" | "done" | "failed" | "cancelled";
  error: string | null;
  /** The job that it became. */
  task: string | null;
  /** Whether the hub had heard the same before. */
  isKnown: boolean;
}

export interface Filter {
  state: Status | "";
  text: string;
  /** Days, as `2026-11-28`. */
  since: string;
  until: string;
  /** Of every key */
  isAll: boolean;
}

export interface FilesState {
  uploads: Upload[];
  tasks: Record<string, Task>;
  /** Ids, the newest first. */
  order: string[];
  /** Of all pages that the filter lets through. */
  total: number;
  next: string | null;
  filter: Filter;
  queue: Queue | null;
  /** The file whose text is open, and its edits. */
  open: { id: string; edits: Edits } | null;
}

/** Jobs that are shown; more are found by the filter. */
export const MAX_SHOWN = 1000;

/** Uploads that are shown. */
const MAX_UPLOADS = 100;

export const NO_FILTER: Filter = { state: "", text: "", since: "", until: "", isAll: false };

const initialState: FilesState = {
  uploads: [],
  tasks: {},
  order: [],
  total: 0,
  next: null,
  filter: NO_FILTER,
  queue: null,
  open: null,
};

/** What the hub tells of a job, under its own names. */
const jobQueued = createAction<JobMessage>("[Jobs] Queued");
const jobStarted = createAction<JobMessage>("[Jobs] Started");
const segmentHeard = createAction<JobMessage>("[Jobs] SegmentHeard");
const jobDone = createAction<JobMessage>("[Jobs] Done");
const jobFailed = createAction<JobMessage>("[Jobs] Failed");
const jobCancelled = createAction<JobMessage>("[Jobs] Cancelled");
export const jobForgotten = createAction<{ id: string }>("[Jobs] Forgotten");

const isOfJob = isAnyOf(jobQueued, jobStarted, segmentHeard, jobDone, jobFailed, jobCancelled);

/** The message as the fact that it tells. */
export function jobFact(message: JobMessage) {
  switch (message.status) {
    case "queued":
      return jobQueued(message);
    case "processing":
      return message.segments_done === 0 ? jobStarted(message) : segmentHeard(message);
    case "done":
      return jobDone(message);
    case "failed":
      return message.error?.code === "deleted" ? jobForgotten({ id: message.id }) : jobFailed(message);
    case "cancelled":
      return jobCancelled(message);
  }
}

export const files = createSlice({
  name: "files",
  initialState,
  reducers: {
    uploadAdded(state, { payload }: PayloadAction<Pick<Upload, "key" | "name" | "size">>) {
      const fresh: Upload = { ...payload, sent: 0, state: "waiting", error: null, task: null, isKnown: false };
      state.uploads = [fresh, ...state.uploads].slice(0, MAX_UPLOADS);
    },
    uploadChanged(state, { payload }: PayloadAction<Pick<Upload, "key"> & Partial<Upload>>) {
      state.uploads = state.uploads.map((one) => (one.key === payload.key ? { ...one, ...payload } : one));
    },
    uploadsTidied(state) {
      state.uploads = state.uploads.filter((one) => one.state === "waiting" || one.state === "sending");
    },
    filterChanged(state, { payload }: PayloadAction<Partial<Filter>>) {
      state.filter = { ...state.filter, ...payload };
    },
    historyRead(state, { payload }: PayloadAction<{ history: History; isMore: boolean }>) {
      const { history, isMore } = payload;
      const before = isMore ? state.order : [];
      const known = new Set(before);
      const fresh = history.jobs.filter((job) => !known.has(job.task_id));
      state.order = [...before, ...fresh.map((job) => job.task_id)].slice(0, MAX_SHOWN);
      const all = { ...state.tasks, ...Object.fromEntries(history.jobs.map((job) => [job.task_id, job])) };
      state.tasks = Object.fromEntries(state.order.flatMap((id) => (all[id] ? [[id, all[id]]] : [])));
      state.next = state.order.length >= MAX_SHOWN ? null : history.next;
      state.total = history.total;
    },
    taskRead(state, { payload }: PayloadAction<{ task: Task; isNew?: boolean }>) {
      const { task, isNew = false } = payload;
      if (!(task.task_id in state.tasks)) {
        if (!isNew) {
          return;
        }
        state.order = [task.task_id, ...state.order].slice(0, MAX_SHOWN);
        state.total += 1;
      }
      state.tasks = { ...state.tasks, [task.task_id]: task };
    },
    queueRead(state, { payload }: PayloadAction<Queue>) {
      state.queue = payload;
    },
    fileOpened(state, { payload }: PayloadAction<{ id: string; edits: Edits }>) {
      state.open = payload;
    },
    segmentEdited(state, { payload }: PayloadAction<{ index: number; text: string | null; heard: string }>) {
      changed(state, (edits) => edited(edits, payload.index, payload.text, payload.heard));
    },
    editUndone(state) {
      changed(state, undone);
    },
    editRedone(state) {
      changed(state, redone);
    },
    editsDropped(state) {
      changed(state, () => NO_EDITS);
    },
  },
  extraReducers: (builder) => {
    builder
      .addCase(jobForgotten, (state, { payload }) => {
        state.total -= payload.id in state.tasks ? 1 : 0;
        state.order = state.order.filter((id) => id !== payload.id);
        state.tasks = Object.fromEntries(Object.entries(state.tasks).filter(([id]) => id !== payload.id));
      })
      .addMatcher(isOfJob, (state, { payload }) => {
        const task = state.tasks[payload.id];
        if (task !== undefined) {
          state.tasks = { ...state.tasks, [payload.id]: told(task, payload) };
        }
      });
  },
});

function changed(state: { open: FilesState["open"] }, change: (edits: Edits) => Edits): void {
  if (state.open !== null) {
    state.open = { ...state.open, edits: change(state.open.edits) };
  }
}

declare module "../store/store.js" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface LazySlices extends WithSlice<typeof files> {}
}

/** The slice as part of the page's store, from when this file is loaded. */
export const injected = files.injectInto(reducer);

export const {
  uploadAdded,
  uploadChanged,
  uploadsTidied,
  filterChanged,
  historyRead,
  taskRead,
  queueRead,
  fileOpened,
  segmentEdited,
  editUndone,
  editRedone,
  editsDropped,
} = files.actions;
