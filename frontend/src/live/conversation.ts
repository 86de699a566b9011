/** The session that is spoken into: how it comes, what it says, and what is kept of it. */

import { AsrHub, ConnectionFailed, HubError, type Session, type SessionMessage } from "asr-hub-client";
import { io } from "socket.io-client";

import { base, json, key, messageOf } from "../api.js";
import { translator } from "../i18n/dictionary.js";
import { live } from "../i18n/live.js";
import { ATTACHED, CONNECTION, fact, FORGOTTEN, LOST, RESTORED, told } from "../store/facts.js";
import { noticed } from "../store/notices.js";
import type { Store } from "../store/store.js";
import { compact, lines } from "../store/transcript.js";
import { forget, fromBase64, keep, type Kept, toBase64 } from "./kept.js";
import { sessionTaken, type Transport } from "./slice.js";
import { claim } from "./tab.js";
import { RATE } from "./wave.js";

export interface ConversationEvents {
  /** Another session is on the page; its next sample is this one. */
  begun(offset: number): void;
  /** This was spoken before a reload, and is sent again. */
  spoken(samples: Int16Array): void;
  told(message: SessionMessage): void;
  /** It is over, or lost. */
  ended(): void;
}

export class Conversation {
  /** Undefined before one is open, and after its end. */
  session: Session | undefined;

  #via: Transport = "websocket";
  #coming: Promise<Session> | undefined;
  /** The session whose end was wished for here. */
  #ending: Session | undefined;
  /** What the hub had taken of the session that ended last. */
  #heard = 0;

  constructor(
    private readonly store: Store,
    private readonly events: ConversationEvents,
  ) {}

  /** Samples that the hub has taken. */
  get acknowledged(): number {
    return this.session?.acknowledged ?? this.#heard;
  }

  /** The one that lives, when it is there; undefined where none does or is on its way. */
  async current(): Promise<Session | undefined> {
    return this.session ?? (await this.#coming?.catch(() => undefined));
  }

  /** The one that lives, or a new one. */
  async ready(): Promise<Session> {
    return this.session ?? (await this.#comes(() => this.#open()));
  }

  /** The one of before a reload. */
  async resume(kept: Kept): Promise<Session> {
    this.store.dispatch(sessionTaken(kept.session));
    return this.#comes(async () => {
      const session = await admitted(() => this.#resumed(kept));
      this.#take(session, kept.choices.transport, kept.lines);
      // What was spoken before, from where the hub stands.
      const missing = fromBase64(kept.audio).slice(Math.max(0, session.acknowledged - kept.offset) * 2);
      this.events.spoken(new Int16Array(missing.buffer));
      await session.send(missing);
      return session;
    });
  }

  /** What was said is heard to its end. */
  async close(): Promise<void> {
    const session = await this.current();
    this.#ending = session;
    await session?.close();
  }

  /** Over the protocol that is chosen now, without a word lost. */
  async move(): Promise<void> {
    const session = await this.current();
    const { transport } = this.store.getState().live.choices;
    if (session !== undefined && transport !== this.#via) {
      this.#via = transport;
      await hubOver(transport).carry(session);
    }
  }

  /** A session of before a reload that is over, by what is left of it. */
  show({ session, choices, lines: said, offset }: Kept, reason: string): void {
    const [via, meta] = [choices.transport, { session, seq: 0, via: choices.transport }];
    const format = { sample_rate: RATE, channels: 1, encoding: "pcm_s16le" } as const;
    this.#heard = offset;
    this.store.dispatch(sessionTaken(session));
    this.store.dispatch(told(ATTACHED, { session, role: "publisher", provider: "", format, audio_offset: offset }, meta));
    this.store.dispatch(told(RESTORED, { lines: said }, meta));
    this.store.dispatch(fact({ type: "closed", reason, audio_offset: offset, seq: 1 }, session, via));
    this.events.begun(offset);
  }

  /** An empty page. The session that was is left as it ended. */
  forget(): void {
    const { session } = this.store.getState().live;
    if (session !== null && this.session === undefined) {
      forget();
      this.store.dispatch(told(FORGOTTEN, null, { session, seq: 0, via: this.#via }));
      this.store.dispatch(sessionTaken(null));
    }
  }

  /** For the page that follows on this one, if it is loaded again. */
  keep(wasListening: boolean): void {
    if (this.session !== undefined) {
      this.#keep(this.session, { wasListening });
    }
  }

  #comes(work: () => Promise<Session>): Promise<Session> {
    this.#coming ??= work().finally(() => {
      this.#coming = undefined;
    });
    return this.#coming;
  }

  async #open(): Promise<Session> {
    const { transport, provider, language } = this.store.getState().live.choices;
    const session = await admitted(() =>
      hubOver(transport).open({
        format: { sample_rate: RATE },
        ...(provider !== "" && { provider }),
        ...(language !== "" && { language }),
      }),
    );
    this.#take(session, transport);
    return session;
  }

  /** After the last that was told, or from the oldest that the hub keeps where that is gone. */
  async #resumed({ session, seq, choices: { transport } }: Kept): Promise<Session> {
    const hub = hubOver(transport);
    try {
      return await hub.resume(session, seq === undefined ? {} : { seq });
    } catch (error) {
      if (error instanceof HubError && (error.code === "resume-gap" || error.code === "stale-seq")) {
        return hub.resume(session);
      }
      throw error;
    }
  }

  #take(session: Session, via: Transport, kept?: Kept["lines"]): void {
    const { id, role, provider, format, seq, acknowledged } = session;
    const meta = { session: id, seq, via };
    this.forget();
    this.session = session;
    this.#via = via;
    this.store.dispatch(sessionTaken(id));
    this.store.dispatch(told(ATTACHED, { session: id, role, provider, format, audio_offset: acknowledged }, meta));
    if (kept !== undefined) {
      this.store.dispatch(told(RESTORED, { lines: kept }, meta));
    }
    this.events.begun(acknowledged);
    session.on("connection", ({ state }) => {
      this.store.dispatch(told(CONNECTION, { state }, { session: id, seq: session.seq, via: this.#via }));
    });
    void this.#read(session);
    void claim(id);
    this.keep(false);
  }

  async #read(session: Session): Promise<void> {
    try {
      for await (const message of session) {
        this.events.told(message);
        this.store.dispatch(fact(message, session.id, this.#via));
      }
    } catch (error) {
      if (!this.#isClosed(session)) {
        const meta = { session: session.id, seq: session.seq, via: this.#via };
        this.store.dispatch(told(LOST, { message: messageOf(error) }, meta));
        this.store.dispatch(noticed("error", messageOf(error)));
      }
    }
    if (this.#isClosed(session) && this.#ending !== session) {
      const t = translator(live, this.store.getState().preferences.language);
      this.store.dispatch(noticed("warning", t("closedElsewhere")));
    }
    this.#heard = session.acknowledged;
    this.session = undefined;
    this.#keep(session, { wasListening: false, ending: this.store.getState().sessions[session.id]?.ending ?? "lost" });
    this.events.ended();
  }

  /** Whether the hub told its end. */
  #isClosed({ id }: Session): boolean {
    return this.store.getState().sessions[id]?.connection === "closed";
  }

  #keep(session: Session, how: Pick<Kept, "wasListening" | "ending">): void {
    const said = this.store.getState().sessions[session.id];
    if (said !== undefined) {
      keep({
        ...how,
        session: session.id,
        seq: said.seq,
        choices: this.store.getState().live.choices,
        lines: lines(said.transcript).map(compact),
        offset: session.acknowledged,
        audio: toBase64(session.unheard),
      });
    }
  }
}

function hubOver(transport: Transport): AsrHub {
  const used = key();
  return new AsrHub({ url: base(), transport, io, ...(used !== undefined && { key: used }) });
}

/** Where the hub may want another key it is asked over HTTP: a browser does not say why a WebSocket was refused. */
async function admitted<Opened>(open: () => Promise<Opened>): Promise<Opened> {
  const used = key();
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof ConnectionFailed || (error instanceof HubError && error.code === "unauthorized"))) {
      throw error;
    }
    // Asks for a key where the hub refuses this one, and says so where no hub answers.
    await json("/v1/providers");
    if (key() === used) {
      throw error;
    }
    return open();
  }
}
