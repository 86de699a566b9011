// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ApiError, json, key, onKeyWanted } from "./api.js";
import { events } from "./events.js";

/** What the hub answers, in order, and what it was asked. */
const answers: (() => Response)[] = [];
const asked: Request[] = [];

beforeEach(() => {
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    const { signal, ...rest } = init;
    expect(signal?.aborted ?? false).toBe(false);
    asked.push(new Request(url, rest));
    const answer = answers.shift();
    return answer === undefined ? Promise.reject(new TypeError("refused")) : Promise.resolve(answer());
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
  answers.length = asked.length = 0;
  sessionStorage.clear();
});

const stream = (text: string) => () => new Response(text, { headers: { "Content-Type": "text/event-stream" } });

const refusal = (status: number, code: string) => () =>
  new Response(JSON.stringify({ error: { code, message: "no", retryable: false } }), { status });

test("a stream that breaks goes on after its last event, until its end", async () => {
  answers.push(stream("id: 1\nevent: action\ndata: one\n\n"), stream("id: 2\nevent: action\ndata: two\n\nevent: end\ndata: {}\n\n"));
  const got: string[] = [];
  for await (const { data } of events("/v1/x/events", { signal: new AbortController().signal })) {
    got.push(data);
  }
  expect(got).toEqual(["one", "two", "{}"]);
  expect(asked.map(({ headers }) => headers.get("Last-Event-ID"))).toEqual([null, "1"]);
});

test("a signal ends a stream without an error", async () => {
  answers.push(stream("id: 1\ndata: one\n\nid: 2\ndata: two\n\n"));
  const abort = new AbortController();
  const got: string[] = [];
  for await (const { data } of events("/x", { signal: abort.signal })) {
    got.push(data);
    abort.abort();
  }
  expect(got.length).toBeLessThanOrEqual(2);
});

test("nothing more and refused for good are told apart", async () => {
  answers.push(() => new Response(null, { status: 204 }));
  for await (const { data } of events("/x", { signal: new AbortController().signal })) {
    throw new Error(`no event was to come: ${data}`);
  }
  answers.push(refusal(404, "unknown-session"));
  await expect(events("/x", { signal: new AbortController().signal }).next()).rejects.toMatchObject({ code: "unknown-session" });
});

test("a key is asked for once, kept in this tab, and sent in a header only", async () => {
  let times = 0;
  onKeyWanted(() => {
    times += 1;
    return Promise.resolve("secret");
  });
  answers.push(refusal(401, "unauthorized"), refusal(401, "unauthorized"), () => Response.json({ a: 1 }), () => Response.json({ a: 2 }));
  expect(await Promise.all([json("/one"), json("/two")])).toEqual([{ a: 1 }, { a: 2 }]);
  expect(times).toBe(1);
  expect(key()).toBe("secret");
  expect(asked.at(-1)?.headers.get("Authorization")).toBe("Bearer secret");
  expect(asked.every(({ url }) => !url.includes("secret"))).toBe(true);
});

test("errors have the hub's names", async () => {
  onKeyWanted(() => Promise.resolve(null));
  answers.push(refusal(409, "conflict"), refusal(401, "unauthorized"), () => new Response("<html>", { status: 502 }));
  await expect(json("/x")).rejects.toMatchObject({ code: "conflict", status: 409 });
  await expect(json("/x")).rejects.toMatchObject({ code: "unauthorized" });
  await expect(json("/x")).rejects.toMatchObject({ code: "http-502" });
  const error: unknown = await json("/x").catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ code: "unreachable", status: 0 });
});
