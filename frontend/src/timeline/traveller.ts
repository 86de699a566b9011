/** Reads the past of one session into the store: its actions once, and what is to be seen where one stands. */

import { ApiError, json, messageOf, waitAfter } from "../api.js";
import { events } from "../events.js";
import { repeat, rest } from "../repeat.js";
import type { Dispatch } from "../store/store.js";
import {
  type Action,
  type ActionsAnswer,
  type CausesAnswer,
  type Numbered,
  pathOf,
  type RecordingView,
  type Source,
  type StateAnswer,
} from "./answers.js";
import { beginning } from "./beginning.js";
import { Recent } from "./lru.js";
import { begun, failed, followed, looked, lookFailed, numberAt, opened, paged, passing, type Timeline } from "./slice.js";

/** Actions that are asked for at a time. */
const PAGE = 2_000;

/** States that are kept; they may be large. */
const KEPT = 48;

/** Milliseconds that one stands still before the state is asked for. */
const STILL = 60;

/** Milliseconds between two looks at a recording that is being made. */
const EVERY = 2_000;

interface Seen {
  action: Action | null;
  causes: CausesAnswer["causes"];
}

/** One per timeline that is open; `close` it. Nothing of it lies in the store. */
export class Traveller {
  readonly #path: string;
  readonly #end = new AbortController();
  readonly #states = new Recent<number, StateAnswer["state"]>(KEPT);
  readonly #seen = new Recent<number, Seen>(4 * KEPT);
  #look: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly source: Source,
    private readonly dispatch: Dispatch,
    private readonly timeline: () => Timeline,
  ) {
    this.#path = pathOf(source);
    dispatch(opened(source));
    const { signal } = this.#end;
    void repeat(() => this.#read(), { signal, onFailure: (error) => this.#failed(error) });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#look?.abort();
    this.#end.abort();
  }

  /** One stands elsewhere: what is there is shown soon, and whatever was being asked for is not wanted any more. */
  look(): void {
    this.#look?.abort();
    clearTimeout(this.#timer);
    const { first, place, rows } = this.timeline();
    const at = numberAt(this.timeline(), place);
    const isFirst = rows.length === 0 || place === 0;
    if (this.#states.get(at) !== undefined && (isFirst || this.#seen.get(at) !== undefined)) {
      void this.#show(at, first, isFirst);
      return;
    }
    this.#timer = setTimeout(() => void this.#show(at, first, isFirst), STILL);
  }

  async #show(at: number, first: number, isFirst: boolean): Promise<void> {
    const abort = new AbortController();
    this.#look = abort;
    try {
      const [state, before, seen] = await Promise.all([
        this.#state(at, abort.signal),
        isFirst ? null : this.#state(Math.max(first, at - 1), abort.signal),
        isFirst ? { action: null, causes: [] } : this.#action(at, abort.signal),
      ]);
      if (!abort.signal.aborted) {
        this.dispatch(looked({ at, state, before, ...seen }));
      }
    } catch (error) {
      if (!abort.signal.aborted) {
        this.dispatch(lookFailed(messageOf(error)));
        const wait = waitAfter(error);
        if (wait !== undefined) {
          this.#timer = setTimeout(() => this.look(), wait);
        }
      }
    }
  }

  async #state(at: number, signal: AbortSignal): Promise<StateAnswer["state"]> {
    const kept = this.#states.get(at);
    if (kept !== undefined) {
      return kept;
    }
    const { state } = await json<StateAnswer>(`${this.#path}/state?at=${at}`, { signal });
    this.#states.put(at, state);
    return state;
  }

  async #action(at: number, signal: AbortSignal): Promise<Seen> {
    const kept = this.#seen.get(at);
    if (kept !== undefined) {
      return kept;
    }
    const [{ actions }, { causes }] = await Promise.all([
      json<ActionsAnswer>(`${this.#path}/actions?after=${at - 1}&limit=1`, { signal }),
      json<CausesAnswer>(`${this.#path}/causes?at=${at}`, { signal }),
    ]);
    const seen = { action: actions[0]?.action ?? null, causes };
    this.#seen.put(at, seen);
    return seen;
  }

  /** From where it had come to: it is called again where the hub was away. */
  async #read(): Promise<void> {
    if (this.timeline().rows.length === 0) {
      const first = await this.#page(0);
      const { state } = await json<StateAnswer>(`${this.#path}/state?at=${first.first}`, { signal: this.#end.signal });
      this.dispatch(begun(beginning(state)));
      this.dispatch(paged(first));
    }
    await this.#readOn();
    await (this.source.of === "sessions" ? this.#follow() : this.#watch());
  }

  async #readOn(): Promise<void> {
    while (this.timeline().reading === "reading") {
      this.dispatch(paged(await this.#page(this.timeline().last)));
    }
  }

  /** A recording that is being made is asked again. */
  async #watch(): Promise<void> {
    for (;;) {
      const { is_live: isLive } = await json<RecordingView>(this.#path, { signal: this.#end.signal });
      // Once more after its end: the last of it may have come in between.
      this.dispatch(paged(await this.#page(this.timeline().last)));
      await this.#readOn();
      if (!isLive || this.timeline().isCut) {
        this.dispatch(followed({ what: "end" }));
        return;
      }
      await rest(EVERY, this.#end.signal);
      this.#end.signal.throwIfAborted();
    }
  }

  async #follow(): Promise<void> {
    const lastEventId = String(this.timeline().last);
    for await (const { event, data } of events(`${this.#path}/actions/events`, { signal: this.#end.signal, lastEventId })) {
      if (event === "action") {
        this.dispatch(passing(this.source, JSON.parse(data) as Numbered));
      } else if (event === "gap") {
        this.dispatch(followed({ what: "gap", ...(JSON.parse(data) as { first: number }) }));
      }
    }
    if (!this.#end.signal.aborted) {
      this.dispatch(followed({ what: "end" }));
    }
  }

  #failed(error: unknown): void {
    const isGone = error instanceof ApiError && error.status === 404;
    this.dispatch(failed({ message: messageOf(error), isGone }));
  }

  #page(after: number): Promise<ActionsAnswer> {
    return json<ActionsAnswer>(`${this.#path}/actions?after=${after}&limit=${PAGE}`, { signal: this.#end.signal });
  }
}
