// @vitest-environment jsdom
import { createRoot } from "react-dom/client";
import { Provider } from "react-redux";
import { afterEach, expect, it, vi } from "vitest";

import { onKeyWanted } from "../api.js";
import { keyAnswered } from "../store/access.js";
import { makeStore } from "../store/store.js";
import Captions from "./captions.js";

afterEach(() => {
  vi.unstubAllGlobals();
});

it("whoever went on without a key may give it after all, and need not wait for the next try", async () => {
  const refused = { error: { code: "unauthorized", message: "a key is needed", retryable: false } };
  vi.stubGlobal("fetch", (_: string, { headers }: { headers: Headers }) => {
    const isGood = headers.get("authorization") === "Bearer good";
    return Promise.resolve(new Response(JSON.stringify(isGood ? { name: "abc", transcript: null } : refused), { status: isGood ? 200 : 401 }));
  });
  const store = makeStore();
  const answers = [null, "good"];
  onKeyWanted(() => {
    const given = answers.shift() ?? null;
    store.dispatch(keyAnswered({ isDeclined: given === null }));
    return Promise.resolve(given);
  });
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(
    <Provider store={store}>
      <Captions route={{ view: "captions", session: "abc" }} />
    </Provider>,
  );
  await vi.waitFor(() => expect(document.querySelector("button")?.textContent).toBe("Give a key"));
  document.querySelector("button")?.click();
  await vi.waitFor(() => expect(document.body.textContent).toContain("Captions need its id"));
  expect(document.querySelector("button")).toBeNull();
  root.unmount();
});
