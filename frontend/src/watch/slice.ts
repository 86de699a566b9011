/** Which sessions are watched here, and how each came about; what they say is in `sessions`. */

import { createSlice, type PayloadAction, type WithSlice } from "@reduxjs/toolkit";

import { reducer } from "../store/store.js";

export interface Watched {
  id: string;
  via: Via;
  /** `own`: this page speaks in it, and shows what it has. `named`: it lives, and its id is needed to hear it. */
  state: "opening" | "open" | "own" | "refused" | "named";
  /** Why it was refused. */
  message: string | null;
  /** How often it was asked for: each time it is connected anew. */
  turn: number;
}

export const VIAS = ["websocket", "http", "socketio"] as const;

export type Via = (typeof VIAS)[number];

/** Each has a connection of its own, and a browser opens few of some kinds. */
export const MOST = 24;

const KEY = "asr-hub-watched";

export interface Watching {
  watched: Watched[];
}

export const watching = createSlice({
  name: "watching",
  initialState: (): Watching => ({ watched: remembered() }),
  reducers: {
    watchBegun(state, { payload: { id, via } }: PayloadAction<{ id: string; via: Via }>) {
      const known = state.watched.find((one) => one.id === id);
      const others = state.watched.filter((one) => one !== known);
      state.watched = [opening(id, via, (known?.turn ?? 0) + 1), ...others].slice(0, MOST);
    },
    watchMoved(state, { payload }: PayloadAction<Pick<Watched, "id" | "state"> & { message?: string }>) {
      const found = state.watched.find((one) => one.id === payload.id);
      if (found !== undefined) {
        found.state = payload.state;
        found.message = payload.message ?? null;
      }
    },
    watchEnded(state, { payload }: PayloadAction<string>) {
      state.watched = state.watched.filter((one) => one.id !== payload);
    },
  },
});

export const { watchBegun, watchMoved, watchEnded } = watching.actions;

declare module "../store/store.js" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface LazySlices extends WithSlice<typeof watching> {}
}

export const injected = watching.injectInto(reducer);

export const NONE: readonly Watched[] = [];

/** For this tab only: the id of a session is a secret. */
export function remember(watched: readonly Watched[]): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(watched.map(({ id, via }) => ({ id, via }))));
  } catch {
    // A browser that keeps nothing is asked again.
  }
}

function opening(id: string, via: Via, turn: number): Watched {
  return { id, via, state: "opening", message: null, turn };
}

function remembered(): Watched[] {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]") as { id: string; via: Via }[];
    return kept.slice(0, MOST).map(({ id, via }) => opening(id, via, 0));
  } catch {
    return [];
  }
}
