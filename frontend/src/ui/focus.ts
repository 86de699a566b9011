/** Where the keyboard is when what had the focus goes away. */

import { type RefObject, useEffect, useLayoutEffect, useRef } from "react";

/** To the view itself, as from the link that skips the head of the page. */
export function focusContent(): void {
  const content = document.getElementById("content");
  content?.setAttribute("tabindex", "-1");
  content?.focus({ preventScroll: true });
}

/** A row that had the focus hands it on to the row in its place, the last one to the row before, and the only one to the view. */
export function useFocusKept(list: RefObject<HTMLElement | null>): void {
  const last = useRef<{ element: Element; index: number }>(undefined);
  useEffect(() => {
    const moved = ({ target }: FocusEvent): void => {
      const index = [...(list.current?.children ?? [])].findIndex((row) => row.contains(target as Node));
      last.current = index < 0 ? undefined : { element: target as Element, index };
    };
    document.addEventListener("focusin", moved);
    return () => document.removeEventListener("focusin", moved);
  }, [list]);
  // With every change of the list, and not with some: the row may go away at any of them.
  useLayoutEffect(() => {
    if (last.current === undefined || last.current.element.isConnected || document.activeElement !== document.body) {
      return;
    }
    const rows = list.current?.children ?? [];
    const next = rows[Math.min(last.current.index, rows.length - 1)]?.querySelector<HTMLElement>("a[href], button, input");
    last.current = undefined;
    if (next == null) {
      focusContent();
    } else {
      next.focus();
    }
  });
}
