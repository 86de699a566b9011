/** How the hub is, looked at while its view is open; and hotwords that are not saved yet, also while it is not. */

import { createSlice, type PayloadAction, type WithSlice } from "@reduxjs/toolkit";

import { reducer } from "../store/store.js";
import type { Engine, JobStats, LiveSession } from "./answers.js";
import { type Line, lines, type Wire } from "./hotwords.js";
import { added, sample, type Sample } from "./samples.js";

/** One look at the hub. */
export interface Look {
  /** Milliseconds since the epoch */
  at: number;
  engines: Engine[];
  sessions: LiveSession[] | null;
  /** How many there are, which everybody is told. */
  count: number;
  stats: JobStats | null;
}

export interface Operation {
  engines: Engine[] | null;
  /** Null where this key is not told. */
  sessions: LiveSession[] | null;
  samples: Sample[];
  /** Milliseconds since the epoch, of the last look. */
  at: number;
  error: string | null;
  /** By the name of the key; those of everybody under the empty one. */
  hotwords: Record<string, { saved: Line[]; draft: Line[] }>;
}

const initialState: Operation = { engines: null, sessions: null, samples: [], at: 0, error: null, hotwords: {} };

export const operation = createSlice({
  name: "operation",
  initialState,
  reducers: {
    looked(state, { payload }: PayloadAction<Look>) {
      const { at, engines, sessions, count, stats } = payload;
      state.engines = engines;
      state.sessions = sessions;
      state.samples = added(state.samples, sample(at, count, engines, stats));
      state.at = at;
      state.error = null;
    },
    lookFailed(state, { payload }: PayloadAction<string>) {
      state.error = payload;
    },
    engineRead(state, { payload }: PayloadAction<Engine>) {
      state.engines = state.engines?.map((one) => (one.name === payload.name ? payload : one)) ?? null;
    },
    /** What is being written stays as it is where it differs from what was saved before. */
    hotwordsRead(state, { payload }: PayloadAction<{ of: string; words: Wire[]; isSaved?: boolean }>) {
      const saved = lines(payload.words);
      const before = state.hotwords[payload.of];
      const isDirty = !payload.isSaved && before !== undefined && JSON.stringify(before.draft) !== JSON.stringify(before.saved);
      state.hotwords[payload.of] = { saved, draft: isDirty ? before.draft : saved };
    },
    hotwordsWritten(state, { payload }: PayloadAction<{ of: string; draft: Line[] }>) {
      const { of, draft } = payload;
      state.hotwords[of] = { saved: state.hotwords[of]?.saved ?? [], draft };
    },
  },
});

declare module "../store/store.js" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface LazySlices extends WithSlice<typeof operation> {}
}

/** The slice as part of the page's store, from when this file is loaded. */
export const injected = operation.injectInto(reducer);

export const { looked, lookFailed, engineRead, hotwordsRead, hotwordsWritten } = operation.actions;
