import { expect, test } from "vitest";

import { href, parse, type Route } from "./router.js";

const ROUTES: Route[] = [
  { view: "live" },
  { view: "watch" },
  { view: "watch", session: "gig_DW" },
  { view: "captions", session: "a/b?c#d%" },
  { view: "files" },
  { view: "files", id: "0f8b" },
  { view: "time" },
  { view: "time", of: "recordings", name: "2026-11-28 会议" },
  { view: "time", of: "sessions", name: "gig_DW" },
  { view: "hub" },
];

test.each(ROUTES.map((route) => [href(route), route] as const))("%s is an address and back", (address, route) => {
  expect(parse(address)).toEqual(route);
});

test.each(["", "#", "#/", "#/live/more", "#content"])("%j is the Live view", (address) => {
  expect(parse(address)).toEqual({ view: "live" });
});

test.each([
  ["#/nothing", { view: "nowhere" }],
  ["#/captions", { view: "watch" }],
  ["#/time/elsewhere/x", { view: "time" }],
  ["#/time/sessions", { view: "time" }],
  ["#/watch/%E4", { view: "watch", session: "%E4" }],
])("%s is taken as far as it goes", (address, route) => {
  expect(parse(address)).toEqual(route);
});
