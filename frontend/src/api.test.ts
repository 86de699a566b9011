// @vitest-environment jsdom
import { afterEach, beforeEach, expect, it, vi } from "vitest";

beforeEach(() => {
  vi.resetModules();
  sessionStorage.clear();
});

afterEach(() => vi.unstubAllGlobals());

/** A hub that takes one key, and a person who answers with these, one after the other. */
async function page(...answers: (string | null)[]) {
  vi.stubGlobal("fetch", (_: string, { headers }: { headers: Headers }) =>
    Promise.resolve(headers.get("Authorization") === "Bearer right" ? new Response("[]") : new Response("{}", { status: 401 })),
  );
  const api = await import("./api.js");
  const ask = vi.fn<(isWrong: boolean) => Promise<string | null>>(() => Promise.resolve(answers.shift() ?? null));
  api.onKeyWanted(ask);
  return { ...api, ask };
}

it("a person who goes on without a key is not asked for it again, however often the page asks the hub", async () => {
  const { json, ask } = await page(null);
  for (let turn = 0; turn < 5; turn += 1) {
    await expect(json("/v1/sessions")).rejects.toMatchObject({ status: 401 });
  }
  expect(ask).toHaveBeenCalledTimes(1);
});

it("a key that is given after all opens what was refused", async () => {
  const { json, giveKey, onKeyGiven, ask } = await page(null, null, "right");
  const again = vi.fn();
  const end = onKeyGiven(again);
  await expect(json("/v1/sessions")).rejects.toMatchObject({ status: 401 });
  await giveKey();
  expect(again).not.toHaveBeenCalled();
  await expect(json("/v1/sessions")).rejects.toMatchObject({ status: 401 });
  await giveKey();
  expect(again).toHaveBeenCalledTimes(1);
  expect(await json("/v1/sessions")).toEqual([]);
  expect(ask.mock.calls).toEqual([[false], [false], [false]]);
  end();
  await giveKey();
  expect(again).toHaveBeenCalledTimes(1);
});

it("a wrong key is asked for once more, and everybody waits for the same answer", async () => {
  const { json, ask } = await page("wrong", "right");
  expect(await Promise.all([json("/v1/sessions"), json("/v1/config")])).toEqual([[], []]);
  expect(ask.mock.calls).toEqual([[false], [true]]);
});

it("a token in the address is a key, and the address keeps the rest", async () => {
  const { json, key, takeToken } = await page();
  history.replaceState(null, "", "/hub/?token=right&x=1#/captions/ID?size=64");
  takeToken();
  expect(key()).toBe("right");
  expect(location.href).toMatch(/\/hub\/\?x=1#\/captions\/ID\?size=64$/);
  expect(await json("/v1/sessions")).toEqual([]);
  takeToken();
  expect(key()).toBe("right");
});
