// @vitest-environment jsdom
import { describe, expect, it } from "vitest";

import type { JobMessage, Task } from "./answers.js";
import { NO_EDITS } from "./edits.js";
import { query } from "./jobs.js";
import { formFields, PLAIN } from "./order.js";
import {
  fileOpened,
  files,
  historyRead,
  jobFact,
  jobForgotten,
  MAX_SHOWN,
  NO_FILTER,
  segmentEdited,
  taskRead,
  uploadAdded,
  uploadChanged,
  uploadsTidied,
} from "./slice.js";
import { AT_ONCE, nearest } from "./watching.js";

function task(task_id: string, change: Partial<Task> = {}): Task {
  return {
    task_id,
    status: "queued",
    name: `${task_id}.wav`,
    size: 10,
    provider: "p",
    language: null,
    channels: "mix",
    priority: 50,
    created_at: 1,
    started_at: null,
    finished_at: null,
    progress: 0,
    position: 0,
    estimated_wait: 3,
    duration: null,
    warnings: [],
    error: null,
    principal: null,
    result_url: "",
    audio_url: "",
    retry_url: null,
    ...change,
  };
}

function message(id: string, change: Partial<JobMessage> = {}): JobMessage {
  return { type: "job", id, status: "processing", progress: 50, segments: 4, segments_done: 2, seconds: 9, position: null, error: null, updated_at: 7, ...change };
}

const START = files.getInitialState();
const page = (jobs: Task[], next: string | null = null) => ({ history: { jobs, next, total: 9 }, isMore: false });

describe("files", () => {
  it("follow what the hub tells of a job, under the hub's names", () => {
    const facts = [message("a", { segments_done: 0 }), message("a"), message("a", { status: "done", progress: 100 })].map(jobFact);
    expect(facts.map(({ type }) => type)).toEqual(["[Jobs] Started", "[Jobs] SegmentHeard", "[Jobs] Done"]);
    const state = [historyRead(page([task("a")])), ...facts].reduce(files.reducer, START);
    expect(state.tasks["a"]).toMatchObject({ status: "done", progress: 100, duration: 9, started_at: 7, finished_at: 7, estimated_wait: null });
  });

  it("forget a job that somebody deleted, once, however often it is told", () => {
    const error = { code: "deleted", message: "gone" };
    const told = [jobForgotten({ id: "a" }), jobFact(message("a", { status: "failed", error }))];
    const state = [historyRead(page([task("a"), task("b")])), ...told].reduce(files.reducer, START);
    expect(state.order).toEqual(["b"]);
    expect(state.total).toBe(8);
    expect(jobFact(message("a", { status: "failed", error })).type).toBe(jobForgotten.type);
  });

  it("append a page without doubles, and are bounded", () => {
    const first = files.reducer(START, historyRead(page([task("a"), task("b")], "next")));
    const both = files.reducer(first, historyRead({ history: { jobs: [task("b"), task("c")], next: null, total: 3 }, isMore: true }));
    expect(both.order).toEqual(["a", "b", "c"]);
    const many = Array.from({ length: MAX_SHOWN + 5 }, (_, at) => task(String(at)));
    const full = files.reducer(START, historyRead(page(many, "next")));
    expect(full.order).toHaveLength(MAX_SHOWN);
    expect(Object.keys(full.tasks)).toHaveLength(MAX_SHOWN);
    expect(full.next).toBeNull();
  });

  it("put a new job first, and change one that is known", () => {
    const state = [historyRead(page([task("a")])), taskRead({ task: task("b"), isNew: true }), taskRead({ task: task("a", { progress: 5 }) }), taskRead({ task: task("x") })].reduce(files.reducer, START);
    expect(state.order).toEqual(["b", "a"]);
    expect(state.tasks["a"]?.progress).toBe(5);
  });

  it("tidy away uploads that are over, and no others", () => {
    const state = [
      uploadAdded({ key: "1", name: "a", size: 1 }),
      uploadAdded({ key: "2", name: "b", size: 1 }),
      uploadChanged({ key: "1", state: "done" }),
      uploadsTidied(),
    ].reduce(files.reducer, START);
    expect(state.uploads.map(({ key }) => key)).toEqual(["2"]);
  });

  it("edit the file that is open", () => {
    const state = [fileOpened({ id: "a", edits: NO_EDITS }), segmentEdited({ index: 1, text: "new", heard: "old" })].reduce(files.reducer, START);
    expect(state.open?.edits.texts).toEqual({ 1: "new" });
    expect(files.reducer(START, segmentEdited({ index: 1, text: "new", heard: "old" })).open).toBeNull();
  });
});

describe("what is watched", () => {
  it("is what is worked at, then what comes next", () => {
    const tasks = [
      task("late", { priority: 90 }),
      task("done", { status: "done" }),
      task("second", { created_at: 2 }),
      task("first", { created_at: 1 }),
      task("now", { status: "processing", created_at: 5 }),
    ];
    expect(nearest(tasks)).toEqual(["now", "first", "second"].slice(0, AT_ONCE));
  });
});

describe("what is asked", () => {
  it("has what the filter says, and days of this place", () => {
    expect(query(NO_FILTER)).toBe("/api/v1/asr/history?limit=50");
    const asked = new URLSearchParams(query({ state: "done", text: " tax ", since: "2026-03-01", until: "2026-03-01", isAll: true }, "page").split("?")[1]);
    expect(asked.get("text")).toBe("tax");
    expect(Number(asked.get("since"))).toBe(new Date(2026, 2, 1).getTime() / 1000);
    expect(Number(asked.get("until"))).toBe(new Date(2026, 2, 2).getTime() / 1000);
    expect(asked.get("all")).toBe("true");
    expect(asked.get("after")).toBe("page");
  });

  it("says of a file only what was chosen, and each hotword once", () => {
    expect(formFields(PLAIN)).toEqual([]);
    const fields = formFields({ ...PLAIN, language: " en ", priority: "high", channels: "split", formats: ["srt", "vtt"], hotwords: "Visp, Brig\nVisp，泰施" });
    expect(fields).toEqual([
      ["language", "en"],
      ["priority", "high"],
      ["channels", "split"],
      ["formats", "srt,vtt"],
      ["hotwords", "Visp"],
      ["hotwords", "Brig"],
      ["hotwords", "泰施"],
    ]);
  });
});
