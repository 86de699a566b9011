// @vitest-environment jsdom
import { createRoot } from "react-dom/client";
import { Provider } from "react-redux";
import { afterEach, expect, it, vi } from "vitest";

import { store } from "../store/store.js";
import type { Task } from "./answers.js";
import { HistoryCard } from "./history.js";
import { taskRead } from "./slice.js";

afterEach(() => {
  vi.unstubAllGlobals();
});

it("the line above the files counts one as heard as soon as its row does", async () => {
  const waits = { task_id: "a", status: "queued", name: "a.wav", created_at: 1, priority: 50, duration: 2, position: 0 };
  const task = { estimated_wait: null, error: null, language: null, principal: null, provider: "p", ...waits } as unknown as Task;
  let isHeard = false;
  const answers: Record<string, () => unknown> = {
    "/api/v1/asr/history": () => ({ jobs: [task], next: null, total: 1 }),
    "/api/v1/asr/queue/status": () => ({ queued: { p: isHeard ? 0 : 1 }, processing: { p: isHeard ? 1 : 0 }, workers: 1, speed: null }),
  };
  vi.stubGlobal("fetch", (url: string) => {
    const answer = answers[new URL(url).pathname];
    return Promise.resolve(answer ? Response.json(answer()) : new Response(null, { status: 204 }));
  });
  HTMLDialogElement.prototype.close = vi.fn();
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(
    <Provider store={store}>
      <HistoryCard />
    </Provider>,
  );
  await vi.waitFor(() => expect(document.body.textContent).toContain("0 being heard, 1 waiting"), 5_000);
  await vi.waitFor(() => expect(document.body.textContent).toContain("a.wav"), 5_000);
  isHeard = true;
  store.dispatch(taskRead({ task: { ...task, status: "processing", progress: 40 } }));
  await vi.waitFor(() => expect(document.body.textContent).toContain("1 being heard, 0 waiting"), 5_000);
  root.unmount();
});
