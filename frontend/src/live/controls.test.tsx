// @vitest-environment jsdom
import { act } from "react";
import { createRoot } from "react-dom/client";
import { Provider } from "react-redux";
import { expect, it, vi } from "vitest";

import { store } from "../store/store.js";
import { Controls } from "./controls.js";
import { link } from "./link.js";
import { chosen } from "./slice.js";

it("the space bar talks while the radio of the mode has the focus, and leaves other controls alone", () => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  const hold = vi.spyOn(link, "hold").mockResolvedValue();
  const release = vi.spyOn(link, "release").mockReturnValue();
  store.dispatch(chosen({ mode: "push-to-talk" }));
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  act(() =>
    root.render(
      <Provider store={store}>
        <Controls />
        <input id="radio" type="radio" defaultChecked />
        <input id="text" />
      </Provider>,
    ),
  );
  const press = (id: string): void => {
    for (const type of ["keydown", "keyup"]) {
      act(() => void document.getElementById(id)?.dispatchEvent(new KeyboardEvent(type, { code: "Space", key: " ", bubbles: true })));
    }
  };
  press("text");
  expect(hold).not.toHaveBeenCalled();
  press("radio");
  expect([hold, release].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  act(() => root.unmount());
});
