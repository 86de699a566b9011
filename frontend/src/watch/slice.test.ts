// @vitest-environment jsdom
import { expect, it } from "vitest";

import { watchBegun, watching, watchMoved } from "./slice.js";

const { reducer } = watching;

it("a session that was refused is connected anew when it is asked for again", () => {
  const begun = reducer(undefined, watchBegun({ id: "s", via: "http" }));
  const refused = reducer(begun, watchMoved({ id: "s", state: "refused", message: "no such session" }));
  const again = reducer(refused, watchBegun({ id: "s", via: "http" }));
  expect(again.watched).toMatchObject([{ id: "s", state: "opening", message: null }]);
  expect(again.watched[0]?.turn).not.toBe(begun.watched[0]?.turn);
});
