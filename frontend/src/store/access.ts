/** Whether the hub waits for a key. The key itself is no state: it stays in api.ts. */

import { createSlice, type PayloadAction } from "@reduxjs/toolkit";

export interface Access {
  isAsked: boolean;
  isWrong: boolean;
}

const initialState: Access = { isAsked: false, isWrong: false };

export const access = createSlice({
  name: "access",
  initialState,
  reducers: {
    keyAsked: (_, { payload }: PayloadAction<{ isWrong: boolean }>) => ({ isAsked: true, isWrong: payload.isWrong }),
    keyAnswered: () => ({ isAsked: false, isWrong: false }),
  },
});

export const { keyAsked, keyAnswered } = access.actions;
