/** How the hub is, as the header shows it. */

import { createSlice, type PayloadAction } from "@reduxjs/toolkit";
import type { Health, Provider } from "asr-hub-client";

export interface Hub {
  /** The last that is known; undefined until the hub answered once. */
  health: Health | undefined;
  isAway: boolean;
  providers: Provider[];
  /** Whether the hub lets a session be recorded, where it says so. */
  recordings: "off" | "ask" | "on" | undefined;
}

const initialState: Hub = { health: undefined, isAway: false, providers: [], recordings: undefined };

export const hub = createSlice({
  name: "hub",
  initialState,
  reducers: {
    healthRead(state, { payload }: PayloadAction<Health>) {
      state.health = payload;
      state.isAway = false;
    },
    hubAway(state) {
      state.isAway = true;
    },
    providersRead(state, { payload }: PayloadAction<Provider[]>) {
      state.providers = payload;
    },
    recordingModeRead(state, { payload }: PayloadAction<Hub["recordings"]>) {
      state.recordings = payload;
    },
  },
});

export const { healthRead, hubAway, providersRead, recordingModeRead } = hub.actions;
