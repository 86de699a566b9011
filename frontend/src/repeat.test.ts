// @vitest-environment jsdom
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { ApiError } from "./api.js";
import { repeat } from "./repeat.js";

const away = () => Promise.reject(new ApiError("unreachable", "the hub does not answer", 0, true));
const refused = () => Promise.reject(new ApiError("unknown-job", "no such job", 404));

let isHidden = false;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(document, "hidden", "get").mockImplementation(() => isHidden);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  isHidden = false;
});

it("a hub that was away is asked again until it answers, and then no more", async () => {
  const ask = vi.fn(away);
  const onFailure = vi.fn();
  const ends = repeat(ask, { signal: new AbortController().signal, onFailure });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(onFailure.mock.calls.length).toBeGreaterThan(10);
  ask.mockImplementation(() => Promise.resolve() as Promise<never>);
  await vi.advanceTimersByTimeAsync(60_000);
  await ends;
  expect(ask).toHaveBeenCalledTimes(onFailure.mock.calls.length + 1);
});

it("what is refused for good is asked once", async () => {
  const ask = vi.fn(refused);
  await repeat(ask, { signal: new AbortController().signal, onFailure: vi.fn() });
  expect(ask).toHaveBeenCalledTimes(1);
});

it("a slow answer is waited for, however often it is wanted", async () => {
  const ask = vi.fn(() => new Promise((resolve) => setTimeout(resolve, 10_000)));
  const end = new AbortController();
  void repeat(ask, { signal: end.signal, every: 1_000, onFailure: vi.fn() });
  await vi.advanceTimersByTimeAsync(22_500);
  expect(ask).toHaveBeenCalledTimes(3);
  end.abort();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ask).toHaveBeenCalledTimes(3);
  expect(vi.getTimerCount()).toBe(0);
});

it("nothing is asked for while the page is hidden, and at once when it is seen again", async () => {
  const ask = vi.fn(() => Promise.resolve());
  void repeat(ask, { signal: new AbortController().signal, every: 1_000, onFailure: vi.fn() });
  await vi.advanceTimersByTimeAsync(0);
  isHidden = true;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ask).toHaveBeenCalledTimes(1);
  isHidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  await vi.advanceTimersByTimeAsync(0);
  expect(ask).toHaveBeenCalledTimes(2);
});
