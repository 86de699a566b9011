/** Whether the hub waits for a key. The key itself is no state: it stays in api.ts. */

import { createSlice, type PayloadAction } from "@reduxjs/toolkit";

export interface Access {
  isAsked: boolean;
  isWrong: boolean;
  /** The person went on without a key. */
  isDeclined: boolean;
}

const initialState: Access = { isAsked: false, isWrong: false, isDeclined: false };

export const access = createSlice({
  name: "access",
  initialState,
  reducers: {
    keyAsked: (state, { payload }: PayloadAction<{ isWrong: boolean }>) => ({ ...state, isAsked: true, isWrong: payload.isWrong }),
    keyAnswered: (_, { payload }: PayloadAction<{ isDeclined: boolean }>) => ({ isAsked: false, isWrong: false, isDeclined: payload.isDeclined }),
  },
});

export const { keyAsked, keyAnswered } = access.actions;
