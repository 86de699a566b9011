// @vitest-environment jsdom
import { act, useRef } from "react";
import { createRoot } from "react-dom/client";
import { expect, it, vi } from "vitest";

import { Button } from "./controls.js";
import { useFocusKept } from "./focus.js";

function List({ names }: { names: string[] }) {
  const list = useRef<HTMLUListElement>(null);
  useFocusKept(list);
  return (
    <main id="content">
      <ul ref={list}>
        {names.map((name) => (
          <li key={name}>
            <button id={name}>{name}</button>
          </li>
        ))}
      </ul>
    </main>
  );
}

it("the keyboard goes on in the row after one that is gone, in the one before the last, and in the view after the only one", () => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  const show = (...names: string[]): void => act(() => root.render(<List names={names} />));
  show("a", "b", "c");
  document.getElementById("b")?.focus();
  show("a", "c");
  expect(document.activeElement?.id).toBe("c");
  show("a");
  expect(document.activeElement?.id).toBe("a");
  show();
  expect(document.activeElement?.id).toBe("content");
  act(() => root.unmount());
});

it("a button that is of no use now keeps the keyboard, and does nothing", () => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  const press = vi.fn();
  const show = (isOff: boolean): void => act(() => root.render(<Button id="press" disabled={isOff} onClick={press} />));
  show(false);
  const button = document.getElementById("press");
  button?.focus();
  show(true);
  expect(document.activeElement).toBe(button);
  expect(button?.getAttribute("aria-disabled")).toBe("true");
  button?.click();
  expect(press).not.toHaveBeenCalled();
  act(() => root.unmount());
});
