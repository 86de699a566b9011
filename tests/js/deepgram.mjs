// Hears a file with npm's @deepgram/sdk and prints what it was told. Arguments: the hub's address, a key, `live` or
// `file`, and the path of 16 kHz mono PCM or of an audio file.
import { readFile } from "node:fs/promises";
import { DeepgramClient } from "@deepgram/sdk";

const [address, apiKey, how, path] = process.argv.slice(2);
const ws = address.replace("http", "ws");
const client = new DeepgramClient({
  apiKey,
  environment: { base: address, production: ws, agent: ws, agentRest: address },
});
const audio = await readFile(path);

async function live() {
  const told = [];
  const socket = await client.listen.v1.connect({
    model: "nova-3",
    encoding: "linear16",
    sample_rate: 16000,
    interim_results: "true",
    vad_events: "true",
    keyterm: ["zebra crossing", "hub"],
    reconnectAttempts: 0,
  });
  const over = new Promise((resolve) => {
    socket.on("message", (message) => told.push(message));
    socket.on("error", (error) => resolve({ error: String(error.message ?? error) }));
    socket.on("close", (event) => resolve({ code: event.code }));
  });
  socket.connect();
  const opened = await Promise.race([socket.waitForOpen().catch((error) => error), over]);
  if (opened?.error !== undefined) return { ...opened, told };
  socket.sendKeepAlive({ type: "KeepAlive" });
  for (let at = 0; at < audio.length; at += 3200) socket.sendMedia(audio.subarray(at, at + 3200));
  socket.sendFinalize({ type: "Finalize" });
  socket.sendCloseStream({ type: "CloseStream" });
  return { ...(await over), told };
}

async function file() {
  try {
    return { told: await client.listen.v1.media.transcribeFile(audio, { model: "nova-3", utterances: true }) };
  } catch (error) {
    return { status: error.statusCode, body: error.body };
  }
}

console.log(JSON.stringify(await (how === "live" ? live() : file())));
process.exit(0);
