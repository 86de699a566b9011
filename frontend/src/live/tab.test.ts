import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { claim } from "./tab.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("is waited for in bounded time, though the browser never says who holds a session", async () => {
  vi.stubGlobal("navigator", { locks: { request: () => new Promise(() => undefined) } });
  const claimed = claim("elsewhere");
  await vi.advanceTimersByTimeAsync(2_000);
  await expect(Promise.race([claimed, Promise.resolve("waiting")])).resolves.toBe(false);
});
