// Has 16 kHz mono PCM heard live, and a whole file, with npm's @deepgram/sdk, and prints what it was told. Arguments:
// the hub's address, a key, and the paths of both.
import { readFile } from "node:fs/promises";
import { DeepgramClient } from "@deepgram/sdk";

const [address, apiKey, raw, whole] = process.argv.slice(2);
const ws = address.replace("http", "ws");
const client = new DeepgramClient({
  apiKey,
  environment: { base: address, production: ws, agent: ws, agentRest: address },
});

async function live(audio) {
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

const told = await live(await readFile(raw));
const file = await client.listen.v1.media.transcribeFile(await readFile(whole), { model: "nova-3", utterances: true });
console.log(JSON.stringify({ live: told, file }));
process.exit(0);
