/** What the page has to say to the person in front of it, in words. */

import { createSlice, nanoid, type PayloadAction } from "@reduxjs/toolkit";

export interface Notice {
  id: string;
  kind: "good" | "warning" | "error";
  text: string;
}

/** The newest stay. */
const KEPT = 4;

function isGood({ kind }: Notice): boolean {
  return kind === "good";
}

export const notices = createSlice({
  name: "notices",
  initialState: [] as Notice[],
  reducers: {
    noticed: {
      prepare: (kind: Notice["kind"], text: string) => ({ payload: { id: nanoid(), kind, text } }),
      reducer(state, { payload }: PayloadAction<Notice>) {
        const kept = payload.kind === "good" ? state.filter(isGood) : state;
        return [...kept.filter(({ text }) => text !== payload.text), payload].slice(-KEPT);
      },
    },
    /** One has left the place where it arose, or it has worked since. */
    troubleOver: (state) => (state.every(isGood) ? state : state.filter(isGood)),
    noticeRead: (state, { payload }: PayloadAction<string>) => state.filter(({ id }) => id !== payload),
  },
});

export const { noticed, noticeRead, troubleOver } = notices.actions;
