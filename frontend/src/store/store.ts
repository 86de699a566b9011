/** The one store of the page. */

import { combineSlices, configureStore } from "@reduxjs/toolkit";

import { access } from "./access.js";
import { slice as live } from "../live/slice.js";
import { hub } from "./hub.js";
import { notices } from "./notices.js";
import { preferences, remember } from "./preferences.js";
import { sessions } from "./sessions.js";

/**
 * Slices of the views that are loaded when they are opened. Such a view says, in its own file:
 *
 *     declare module "../store/store.js" { interface LazySlices extends WithSlice<typeof slice> {} }
 *     export const injected = slice.injectInto(reducer);
 *
 * and reads its state by `injected.selectors` or `useSelector((state) => state.NAME)`, which is undefined before that.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface LazySlices {}

export const reducer = combineSlices(access, hub, live, notices, preferences, sessions).withLazyLoadedSlices<LazySlices>();

export type RootState = ReturnType<typeof reducer>;

export function makeStore() {
  const made = configureStore({
    reducer,
    devTools: { name: "ASR Hub", maxAge: 200 },
    // Facts come from JSON, and a transcript is long: looking through all of it after each one takes longer than they do.
    middleware: (defaults) => defaults({ serializableCheck: false, immutableCheck: false }),
  });
  let kept = made.getState().preferences;
  made.subscribe(() => {
    const { preferences: now } = made.getState();
    if (now !== kept) {
      kept = now;
      remember(now);
    }
  });
  return made;
}

export const store = makeStore();

export type Store = ReturnType<typeof makeStore>;
export type Dispatch = Store["dispatch"];
