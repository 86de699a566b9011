// A client of the hub with npm's openai: prints, as JSON, every event that it was told.
//   node openai_realtime.mjs BASE_URL KEY ws|browser|plain [MODEL]
// `browser` is the client that has no headers, with npm's ws for the WebSocket of a browser; `plain` is that without TLS.
import OpenAI from "openai";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { WebSocket } from "ws";

const [baseURL, apiKey, kind, model = "gpt-realtime"] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey });
globalThis.WebSocket ??= WebSocket;
const onURL = (url) => {
  if (kind === "plain") url.protocol = "ws:";
};
const realtime =
  kind === "ws" ? new OpenAIRealtimeWS({ model }, client) : new OpenAIRealtimeWebSocket({ model, onURL }, client);

const rate = 24000;
// Half a second of silence, one of a tone, one of silence: 100 ms in each piece.
const pieces = Array.from({ length: 25 }, (_, piece) =>
  Int16Array.from({ length: rate / 10 }, (_, sample) => {
    const at = piece / 10 + sample / rate;
    return at < 0.5 || at >= 1.5 ? 0 : 9830 * Math.sin(2 * Math.PI * 220 * at);
  }),
);

const events = [];
const end = (extra = {}) => {
  console.log(JSON.stringify({ events, subprotocol: realtime.socket.protocol, ...extra }));
  realtime.close();
  process.exit(0);
};
realtime.on("error", (error) => end({ error: error.message }));
realtime.on("event", (event) => events.push(event));
realtime.on("session.created", () => {
  realtime.send({
    type: "session.update",
    session: { type: "transcription", audio: { input: { transcription: { model: "whisper-1", language: "en" } } } },
  });
  for (const piece of pieces) {
    realtime.send({ type: "input_audio_buffer.append", audio: Buffer.from(piece.buffer).toString("base64") });
  }
});
realtime.on("conversation.item.input_audio_transcription.completed", () => end());
