export type { Command, Gap, SessionMessage } from "./core.js";
export { AsrHubError, ConnectionFailed, HubError, MicrophoneError, SessionLost, SlowReader } from "./errors.js";
export { AsrHub, type AsrHubOptions, type Health, type OpenOptions, type Provider, type WatchOptions } from "./hub.js";
export type * from "./messages.js";
export { Microphone, type MicrophoneOptions, type Sink } from "./microphone.js";
export { Resampler } from "./resampler.js";
export { type AudioData, toInt16 } from "./samples.js";
export { type ConnectionChange, type Lost, Session, type SessionEvents, type SessionOptions } from "./session.js";
export type { WebSocketConstructor, WebSocketLike } from "./websocket.js";
