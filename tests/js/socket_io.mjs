// A client of the hub with npm's socket.io-client: prints, as JSON, everything that it was told.
//   node socket_io.mjs URL TRANSPORT record|native|count|refused [KEY]
import { io } from "socket.io-client";

const [url, transport, mode, key] = process.argv.slice(2);
const namespace = mode === "native" || mode === "count" ? "/v1/stream" : "";
const socket = io(url + namespace, {
  transports: transport === "upgrade" ? ["polling", "websocket"] : [transport],
  reconnection: false,
  auth: key === undefined ? {} : { token: key },
});

const events = [];
const end = (extra = {}) => {
  console.log(JSON.stringify({ events, transport: socket.io.engine?.transport.name, ...extra }));
  socket.disconnect();
};
const heard = (name) => new Promise((resolve) => socket.once(name, resolve));
socket.onAny((name, payload) => events.push([name, payload]));

const rate = 16000;
// Half a second of silence, one of a tone, one of silence: 100 ms in each piece.
const pieces = Array.from({ length: 25 }, (_, piece) =>
  Int16Array.from({ length: rate / 10 }, (_, sample) => {
    const at = piece / 10 + sample / rate;
    return at < 0.5 || at >= 1.5 ? 0 : 9830 * Math.sin(2 * Math.PI * 220 * at);
  }),
);
const base64 = (samples) => Buffer.from(samples.buffer).toString("base64");
const shapes = [
  (samples) => samples,
  (samples) => samples.buffer,
  (samples) => ({ audio: samples.buffer }),
  (samples) => base64(samples),
  (samples) => ({ audio: base64(samples) }),
];

async function record() {
  await heard("connected");
  socket.emit("start_recording");
  pieces.forEach((piece, number) => socket.emit("audio_data", shapes[number % shapes.length](piece)));
  socket.emit("stop_recording");
  await heard("final_result");
  end();
}

async function native() {
  const acks = [await socket.emitWithAck("message", { type: "start" })];
  for (const piece of pieces) acks.push(await socket.emitWithAck("audio", piece.buffer));
  socket.emit("message", { type: "close" });
  end({ acks, reason: await heard("disconnect") });
}

async function count() {
  socket.emit("message", { type: "start" });
  // As fast as the client can, and without waiting for anything.
  for (let number = 1; number <= 200; number++) socket.emit("audio", new Int16Array(160).fill(number));
  socket.emit("message", { type: "close" });
  end({ reason: await heard("disconnect") });
}

if (mode === "refused") {
  socket.on("connect_error", ({ message, data }) => end({ message, data }));
} else {
  socket.on("connect_error", (error) => {
    console.error(error);
    process.exit(1);
  });
  socket.on("connect", { record, native, count }[mode]);
}
