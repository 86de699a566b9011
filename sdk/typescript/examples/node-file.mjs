// A WAV file becomes text:  node node-file.mjs FILE.wav [http://127.0.0.1:8765] [websocket|http]
// On Node.js before 22 a WebSocket comes from the package ws: npm install asr-hub-client ws
import { open } from "node:fs/promises";

import { AsrHub } from "asr-hub-client";

const [path, url = "http://127.0.0.1:8765", transport = "websocket"] = process.argv.slice(2);

/** Where the samples of a 16-bit WAV file are, and what they are. */
async function readHeader(file) {
  const { buffer } = await file.read(new Uint8Array(64 * 1024), 0, 64 * 1024, 0);
  const head = new DataView(buffer.buffer);
  const name = (at) => String.fromCharCode(...buffer.subarray(at, at + 4));
  const found = {};
  for (let at = 12; at + 8 <= buffer.length && found.start === undefined; at += 8 + head.getUint32(at + 4, true)) {
    if (name(at) === "fmt ") {
      found.format = { sample_rate: head.getUint32(at + 12, true), channels: head.getUint16(at + 10, true) };
      found.bits = head.getUint16(at + 22, true);
    } else if (name(at) === "data") {
      found.start = at + 8;
      found.end = found.start + head.getUint32(at + 4, true);
    }
  }
  if (name(0) !== "RIFF" || found.start === undefined || found.bits !== 16) {
    throw new Error(`${path} is not a WAV file with 16-bit samples`);
  }
  return found;
}

const file = await open(path);
const { format, start, end } = await readHeader(file);
const hub = new AsrHub({ url, transport, key: process.env.ASR_HUB_KEY });
const session = await hub.open({ format, partials: false });
session.on("final", (message) => console.log(message.hypothesis.text));
session.on("error", (message) => console.error(message.message));
for await (const block of file.createReadStream({ start, end: end - 1, highWaterMark: 64 * 1024 })) {
  // Waits where the hub is behind, so that a long file is never whole in memory.
  await session.send(block);
}
await session.close();
