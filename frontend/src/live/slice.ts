/** What the Live view is doing, and what was chosen for it. */

import { createSlice, type PayloadAction } from "@reduxjs/toolkit";

export const TRANSPORTS = ["websocket", "http", "socketio"] as const;

export type Transport = (typeof TRANSPORTS)[number];

export interface Choices {
  transport: Transport;
  /** Empty: the hub's default. */
  provider: string;
  /** Empty: the engine's own. */
  language: string;
  /** Of the microphone; empty: the browser's default. */
  device: string;
  mode: "hands-free" | "push-to-talk";
}

export interface Delays {
  /** Milliseconds from the beginning of speech to the first partial, as seen here. */
  firstPartial: number | null;
  /** Milliseconds from the end of speech to the final, in the hub. */
  final: number | null;
}

/** An utterance of which no text came. */
export interface Silent {
  utterance: number;
  /** Milliseconds of audio since the session began. */
  at: number;
}

/** Of these the newest are kept. */
const SILENT = 100;

export interface Live {
  choices: Choices;
  /** `paused`: the session lives, and nothing is spoken into it. */
  phase: "idle" | "opening" | "listening" | "paused" | "file" | "closing";
  session: string | null;
  /** The file that is streamed. */
  file: { name: string; seconds: number } | null;
  delays: Delays;
  /** In the order of the utterances. */
  silent: Silent[];
}

const NONE: Delays = { firstPartial: null, final: null };

const initialState: Live = {
  choices: { transport: "websocket", provider: "", language: "", device: "", mode: "hands-free" },
  phase: "idle",
  session: null,
  file: null,
  delays: NONE,
  silent: [],
};

export const slice = createSlice({
  name: "live",
  initialState,
  reducers: {
    chosen(state, { payload }: PayloadAction<Partial<Choices>>) {
      Object.assign(state.choices, payload);
    },
    phaseChanged(state, { payload }: PayloadAction<Live["phase"]>) {
      state.phase = payload;
      if (payload !== "file") {
        state.file = null;
      }
    },
    sessionTaken(state, { payload }: PayloadAction<string | null>) {
      state.session = payload;
      state.delays = NONE;
      state.silent = [];
    },
    fileBegun(state, { payload }: PayloadAction<{ name: string; seconds: number }>) {
      state.phase = "file";
      state.file = payload;
    },
    silenced(state, { payload }: PayloadAction<Silent>) {
      if (payload.utterance > (state.silent.at(-1)?.utterance ?? 0)) {
        state.silent = [...state.silent, payload].slice(-SILENT);
      }
    },
    delayed(state, { payload }: PayloadAction<Partial<Delays>>) {
      Object.assign(state.delays, payload);
    },
  },
});

export const { chosen, phaseChanged, sessionTaken, fileBegun, silenced, delayed } = slice.actions;
