// @vitest-environment jsdom
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { WatchLink } from "./link.js";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A hub that answers so whenever it is asked for the session. */
function hub(status: number, body: unknown) {
  const asked = vi.fn(() => Promise.resolve(new Response(JSON.stringify(body), { status })));
  vi.stubGlobal("fetch", asked);
  return asked;
}

const told = () => ({ onNameOnly: vi.fn(), onRefused: vi.fn(), onOpen: vi.fn() });

it("a session that is not there is waited for, less and less often, and left when it is closed", async () => {
  const asked = hub(404, { error: { code: "unknown-session", message: "no such session", retryable: false } });
  const events = told();
  const link = new WatchLink({ id: "s", via: "websocket", dispatch: vi.fn(), isEndless: true, ...events });
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(events.onRefused).toHaveBeenCalledWith(expect.stringContaining("This session is not here"));
  expect(asked.mock.calls.length).toBeGreaterThan(10 * 60 / 15);
  expect(asked.mock.calls.length).toBeLessThan(10 * 60 / 7 + 10);
  link.close();
  expect(vi.getTimerCount()).toBe(0);
});

it("a name is told to be one, once", async () => {
  const asked = hub(200, { name: "abc", transcript: null });
  const events = told();
  const link = new WatchLink({ id: "abc", via: "websocket", dispatch: vi.fn(), isEndless: true, ...events });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(events.onNameOnly).toHaveBeenCalledTimes(1);
  expect(asked).toHaveBeenCalledTimes(1);
  link.close();
});

it("a hub that is away is asked again by itself, and a refusal is not", async () => {
  const asked = vi.fn(() => Promise.reject(new TypeError("refused")));
  vi.stubGlobal("fetch", asked);
  const link = new WatchLink({ id: "s", via: "websocket", dispatch: vi.fn(), ...told() });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked.mock.calls.length).toBeGreaterThan(3);
  const refused = hub(404, { error: { code: "unknown-session", message: "no such session", retryable: false } });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(refused).toHaveBeenCalledTimes(1);
  link.close();
});
