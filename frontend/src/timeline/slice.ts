/** The past that is looked at: its actions in short, where one stands in them, and what was seen there. */

import { createAction, type UnknownAction, type WithSlice } from "@reduxjs/toolkit";

import { reducer } from "../store/store.js";
import type { Action, ActionsAnswer, Cause, Numbered, Source, State } from "./answers.js";
import { append, type Column, countWhile, empty, PAGE, rowAt, shorten } from "./column.js";
import { ALL, type Filter } from "./filter.js";
import { type Clock, type Row, rowsFor, START } from "./rows.js";
import type { Said } from "./said.js";

/** Rows that are kept, of a session that lives the newest: with ten actions in a second, those of five hours. */
export const MOST_ROWS = 200_000;

/** What was seen at one place. */
export interface Look {
  at: number;
  state: State;
  /** The state before the action; null where there is none. */
  before: State | null;
  /** Null before the first action. */
  action: Action | null;
  causes: readonly Cause[];
}

export interface Failure {
  message: string;
  /** It is not there, or not any more. */
  isGone: boolean;
}

export interface Timeline {
  source: Source | null;
  /** The oldest number that a state is told of. */
  first: number;
  last: number;
  hasText: boolean;
  /** `reading`: there is more. `whole`: all that there is. `over`: nothing will follow. */
  reading: "reading" | "whole" | "over";
  /** There are more actions than are kept here. */
  isCut: boolean;
  error: Failure | null;
  rows: Column<Row>;
  clock: Clock;
  /** What was said before the first action. */
  before: readonly Said[];
  /** Actions up to where one stands; 0 is before the first. */
  place: number;
  follows: boolean;
  filter: Filter;
  look: Look | null;
  lookError: string | null;
}

const NOTHING: Timeline = {
  source: null,
  first: 0,
  last: 0,
  hasText: true,
  reading: "reading",
  isCut: false,
  error: null,
  rows: empty(),
  clock: START,
  before: [],
  place: 0,
  follows: false,
  filter: ALL,
  look: null,
  lookError: null,
};

export const opened = createAction<Source>("timeline/opened");
/** How things were before the first action. */
export const begun = createAction<{ clock: Clock; before: readonly Said[] }>("timeline/begun");
export const paged = createAction<ActionsAnswer>("timeline/paged");
/** `end`: nothing will follow. `gap`: some were missed, and those from `first` on follow. */
export const followed = createAction<{ what: "end" } | { what: "gap"; first: number }>("timeline/followed");
export const failed = createAction<Failure>("timeline/failed");
export const moved = createAction<number>("timeline/moved");
export const followChosen = createAction<boolean>("timeline/followChosen");
export const filtered = createAction<Partial<Filter>>("timeline/filtered");
export const looked = createAction<Look>("timeline/looked");
export const lookFailed = createAction<string>("timeline/lookFailed");

/** Marks an action of the hub that is on its way through the store of the page. */
export interface Via {
  session: string;
  seq: number;
  via: "timeline";
}

/** An action of a live session as it is in the journal, for the store: the DevTools show it under its own type. */
export function passing(source: Source, { seq, action }: Numbered): Action & { meta: Via } {
  return { ...action, meta: { session: source.name, seq, via: "timeline" } };
}

function isPassing(action: UnknownAction): action is Action & { meta: Via } {
  const meta = action["meta"];
  return typeof meta === "object" && meta !== null && "via" in meta && meta.via === "timeline";
}

/** Pure; one action more costs one page of rows. */
export function reduce(state: Timeline = NOTHING, action: UnknownAction): Timeline {
  if (isPassing(action)) {
    const { meta, ...fact } = action;
    const isNew = meta.session === state.source?.name && meta.seq > state.last;
    return isNew ? taken(state, [{ seq: meta.seq, action: fact }]) : state;
  }
  if (opened.match(action)) {
    return { ...NOTHING, source: action.payload, follows: action.payload.of === "sessions" };
  }
  if (begun.match(action)) {
    return { ...state, ...action.payload };
  }
  if (paged.match(action)) {
    return page(state, action.payload);
  }
  if (followed.match(action)) {
    const { payload } = action;
    return payload.what === "end" ? { ...state, reading: "over" } : { ...state, first: payload.first, isCut: true };
  }
  if (failed.match(action)) {
    // A session that is closed leaves what was read of it.
    const isOver = action.payload.isGone && state.source?.of === "sessions" && state.rows.length > 0;
    return isOver ? { ...state, reading: "over" } : { ...state, error: action.payload };
  }
  return looking(state, action);
}

function looking(state: Timeline, action: UnknownAction): Timeline {
  if (moved.match(action)) {
    const place = within(state, action.payload);
    return { ...state, place, follows: state.follows && place === state.rows.length };
  }
  if (followChosen.match(action)) {
    return { ...state, follows: action.payload, place: action.payload ? state.rows.length : state.place };
  }
  if (filtered.match(action)) {
    return { ...state, filter: { ...state.filter, ...action.payload } };
  }
  if (looked.match(action)) {
    return { ...state, look: action.payload, lookError: null };
  }
  // What was seen elsewhere would be taken for what is here.
  return lookFailed.match(action) ? { ...state, look: null, lookError: action.payload } : state;
}

function page(state: Timeline, { first, last, more, has_text, actions }: ActionsAnswer): Timeline {
  const fresh = actions.filter(({ seq }) => seq > state.last);
  const isFull = state.rows.length + fresh.length > MOST_ROWS && state.source?.of === "recordings";
  const next = isFull ? { ...state, isCut: true } : taken(state, fresh);
  const isStart = state.rows.length === 0;
  const start = isStart ? first : state.first;
  const place = isStart && !state.follows ? Math.min(1, next.rows.length) : next.place;
  const isRead = !more || isFull || actions.length === 0;
  const reading = isRead ? "whole" : "reading";
  return { ...next, place, first: start, last: Math.max(next.last, isRead ? last : 0), hasText: has_text, reading, error: null };
}

function taken(state: Timeline, actions: readonly Numbered[]): Timeline {
  const [fresh, clock] = rowsFor(actions, state.clock);
  let rows = append(state.rows, fresh);
  let { place, isCut, first } = state;
  while (rows.length > MOST_ROWS) {
    first = rowAt(rows, PAGE - 1)?.seq ?? first;
    rows = shorten(rows);
    place = Math.max(0, place - PAGE);
    isCut = true;
  }
  const last = Math.max(state.last, actions.at(-1)?.seq ?? 0);
  return { ...state, rows, clock, last, first, isCut, place: state.follows ? rows.length : place };
}

function within({ rows }: Timeline, place: number): number {
  return Math.min(rows.length, Math.max(0, Math.round(place)));
}

// Selectors.

/** The number of the action that one stands at; that before the first where one stands there. */
export function numberAt({ rows, first }: Timeline, place: number): number {
  return place === 0 ? first : (rowAt(rows, place - 1)?.seq ?? first);
}

/** Where the action with this number stands, or the last before it. */
export function placeOf({ rows }: Timeline, seq: number): number {
  return countWhile(rows, (row) => row.seq <= seq);
}

/** The last action that had come when the hub had this much audio. */
export function placeAt({ rows }: Timeline, ms: number): number {
  return countWhile(rows, (row) => row.ms <= ms);
}

export function rowHere({ rows, place }: Timeline): Row | undefined {
  return place === 0 ? undefined : rowAt(rows, place - 1);
}

/** Milliseconds of audio that one stands at. */
export function audioAt({ rows, place, clock }: Timeline): number {
  return place === 0 ? (rowAt(rows, 0)?.ms ?? clock.ms) : (rowAt(rows, place - 1)?.ms ?? 0);
}

const slice = { reducerPath: "timeline" as const, reducer: reduce };

declare module "../store/store.js" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface LazySlices extends WithSlice<typeof slice> {}
}

export const injected = reducer.inject(slice);

export const NO_TIMELINE = NOTHING;
