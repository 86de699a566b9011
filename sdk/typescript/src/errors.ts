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

/** The session is gone and cannot be resumed. `cause` says why; audio that was not acknowledged was not heard. */
export class SessionLost extends AsrHubError {
  override name = "SessionLost";
}

/** The reader of a session's messages fell too far behind; the session itself goes on. */
export class SlowReader extends AsrHubError {
  override name = "SlowReader";
}

/** The microphone cannot be used; the message says why. */
export class MicrophoneError extends AsrHubError {
  override name = "MicrophoneError";
}
