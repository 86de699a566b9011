/** Where the keyboard is when what had the focus goes away. */

import { type RefObject, useEffect, useLayoutEffect, useRef } from "react";

/** To the view itself, as from the link that skips the head of the page. */
export function focusContent(): void {
  const content = document.getElementById("content");
  content?.setAttribute("tabindex", "-1");
  content?.focus({ preventScroll: true });
}

/**
 * What had the focus in a row of `list` and is gone hands it on to its row, a row that is gone to the one in its place, the
 * last one to the one before, and the only one to the view: to what `wanted` selects, the first of it.
 */
export function useFocusKept(list: RefObject<HTMLElement | null>, wanted = "a[href], button, input"): void {
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
    const row = rows[Math.min(last.current.index, rows.length - 1)];
    const next = row?.matches(wanted) === true ? row : row?.querySelector(wanted);
    last.current = undefined;
    if (!(next instanceof HTMLElement)) {
      focusContent();
    } else {
      next.focus();
    }
  });
}
