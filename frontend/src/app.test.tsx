// @vitest-environment jsdom
import { act } from "react";
import { createRoot, type Root } from "react-dom/client";
import { Provider } from "react-redux";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { ApiError, messageOf } from "./api.js";
import { App } from "./app.js";
import { noticed, troubleOver } from "./store/notices.js";
import { languageChosen } from "./store/preferences.js";
import { makeStore, store } from "./store/store.js";
import { Past } from "./timeline/past.js";

vi.mock("./live/index.js", () => ({ default: () => <main id="content" data-testid="view-live" /> }));

let root: Root;
/** What the hub answers, by path. */
let answers: Record<string, unknown> = {};

beforeEach(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  vi.stubGlobal("scrollTo", vi.fn());
  HTMLDialogElement.prototype.close = vi.fn();
  vi.stubGlobal("fetch", (url: string) => {
    const found = answers[new URL(url).pathname];
    const refused = { error: { code: "unknown-recording", message: "no recording is called so; GET /v1/recordings lists them", retryable: false } };
    return Promise.resolve(new Response(JSON.stringify(found ?? refused), { status: found === undefined ? 404 : 200 }));
  });
  location.hash = "#/live";
  root = createRoot(document.body.appendChild(document.createElement("div")));
});

afterEach(async () => {
  await act(async () => {
    root.unmount();
    await Promise.resolve();
  });
  vi.unstubAllGlobals();
  document.body.replaceChildren();
  document.documentElement.lang = "en";
  answers = {};
});

async function shown(what: React.ReactNode): Promise<void> {
  await act(async () => {
    root.render(<Provider store={store}>{what}</Provider>);
    await Promise.resolve();
  });
}

async function goneTo(hash: string): Promise<void> {
  await act(async () => {
    location.hash = hash;
    await new Promise((resolve) => addEventListener("hashchange", resolve, { once: true }));
  });
}

const toasts = (): string[] => [...document.querySelectorAll(".notice p")].map((one) => one.textContent);

it("what went wrong is a sentence of the view that it arose in, and another view begins at its top", async () => {
  await shown(<App />);
  await act(async () => {
    store.dispatch(noticed("error", "the file is no zip"));
    await Promise.resolve();
  });
  expect(toasts()).toEqual(["The file is no zip"]);
  await goneTo("#/nonsense");
  expect(toasts()).toEqual([]);
  expect(scrollTo).toHaveBeenCalledWith(0, 0);
  expect(document.querySelector("#content")?.textContent).toContain("There is no such view");
});

it("what went wrong is over when it works, and good news stays", () => {
  const own = makeStore();
  own.dispatch(noticed("error", "no"));
  own.dispatch(noticed("good", "yes"));
  expect(own.getState().notices.map(({ text }) => text)).toEqual(["yes"]);
  own.dispatch(noticed("warning", "hm"));
  own.dispatch(troubleOver());
  expect(own.getState().notices.map(({ text }) => text)).toEqual(["yes"]);
});

it("the page says in its own language what it knows, and that the hub says the rest", async () => {
  const known = new ApiError("unknown-session", "no such session; GET /v1/sessions lists those that live", 404);
  const other = new ApiError("bad-zip", "the file is no zip", 400);
  expect([known, other].map(messageOf)).toEqual(["This session is not here: it was closed, or its id is not this.", "the file is no zip"]);
  await shown(<App />);
  await act(async () => {
    store.dispatch(languageChosen("zh"));
    await Promise.resolve();
  });
  expect([known, other].map(messageOf)).toEqual(["没有这个会话：它已关闭，或 ID 有误。", "中枢说：the file is no zip"]);
  await act(async () => {
    store.dispatch(languageChosen("en"));
    await Promise.resolve();
  });
});

it("a recording that is damaged says so, when it was made, and in words how it ended", async () => {
  const told = { name: "r", session: "faf45af28103", started_at: 1_000, why_ended: "broken-off", lost_audio_ms: 0, unread_texts: 0, damage: "line 3 is no JSON" };
  answers = { "/v1/recordings/r": told };
  await shown(<Past of="recordings" name="r" />);
  await vi.waitFor(() => expect(document.querySelector("h1")?.textContent).toMatch(/^Recording of .*1970/), 5_000);
  expect(document.body.textContent).toContain("The hub says: line 3 is no JSON");
  expect(document.body.textContent).toContain("broke off with the hub");
  expect(document.body.textContent).not.toMatch(/broken-off|GET \/v1/);
});
