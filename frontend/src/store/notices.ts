/** What the page has to say to the person in front of it, in words. */

import { createSlice, nanoid, type PayloadAction } from "@reduxjs/toolkit";

export interface Notice {
  id: string;
  kind: "good" | "warning" | "error";
  text: string;
}

/** The newest stay. */
const KEPT = 4;

export const notices = createSlice({
  name: "notices",
  initialState: [] as Notice[],
  reducers: {
    noticed: {
      prepare: (kind: Notice["kind"], text: string) => ({ payload: { id: nanoid(), kind, text } }),
      reducer(state, { payload }: PayloadAction<Notice>) {
        return [...state.filter(({ text }) => text !== payload.text), payload].slice(-KEPT);
      },
    },
    noticeRead: (state, { payload }: PayloadAction<string>) => state.filter(({ id }) => id !== payload),
  },
});

export const { noticed, noticeRead } = notices.actions;
