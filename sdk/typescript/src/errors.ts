/** What can go wrong, as one tree. */

/** Any failure of this package. */
export class AsrHubError extends Error {
  override name = "AsrHubError";
}

/** The hub refused something. `code` is one of docs/reference/protocol.md; the message says what to do. */
export class HubError extends AsrHubError {
  override name = "HubError";

  constructor(
    readonly code: string,
    message: string,
    /** Whether the same may work later. */
    readonly retryable = false,
    /** Seconds, where the hub says so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** No connection came about. */
export class ConnectionFailed extends AsrHubError {
  override name = "ConnectionFailed";
}

/** Why a session is lost. */
export interface Loss extends ErrorOptions {
  audio?: Uint8Array<ArrayBuffer>;
  reason?: string | undefined;
}

/** The session cannot be resumed, which `cause` explains, or the hub ended it before it took all audio. */
export class SessionLost extends AsrHubError {
  override name = "SessionLost";
  /** What the hub has not acknowledged, as bytes of the session's format: send it in a new session to have it heard. */
  readonly audio: Uint8Array<ArrayBuffer>;
  /** That of `closed`, such as `shutdown`, where the hub ended the session. */
  readonly reason: string | undefined;

  constructor(message: string, { audio = new Uint8Array(0), reason, ...options }: Loss = {}) {
    super(message, options);
    this.audio = audio;
    this.reason = reason;
  }

  /** The same, for a call that had more to say. */
  withMore(more: Uint8Array): SessionLost {
    const audio = new Uint8Array(this.audio.byteLength + more.byteLength);
    audio.set(this.audio);
    audio.set(more, this.audio.byteLength);
    const options = this.cause === undefined ? {} : { cause: this.cause };
    return new SessionLost(this.message, { ...options, audio, reason: this.reason });
  }
}

/** The reader of a session's messages fell too far behind; the session itself goes on. */
export class SlowReader extends AsrHubError {
  override name = "SlowReader";
}

/** The microphone cannot be used; the message says why. */
export class MicrophoneError extends AsrHubError {
  override name = "MicrophoneError";
}
