// A real Chromium opens a page. Tells what came of it, as one line of JSON.
//   node browser.mjs CHROMIUM PAGE speak CLIP.wav SAMPLES
//     presses the page's button while the clip is spoken, and again when the hub has taken so many samples
//   node browser.mjs CHROMIUM PAGE open HUB KEY
//     opens sessions from a script of the page, with the key and with a wrong one
//   node browser.mjs CHROMIUM PAGE hear CLIP.wav TIMES
//     opens the microphone and stops it so many times; tells what is left of them in the browser
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [chromium, url, what, ...rest] = process.argv.slice(2);
// The package is in the folder of the test clients, from which this is run.
const { chromium: playwright } = createRequire(join(process.env.CLIENTS, "package.json"))("playwright-core");

const profile = await mkdtemp(join(tmpdir(), "asr-hub-browser-"));
const context = await playwright.launchPersistentContext(profile, {
  executablePath: chromium,
  headless: true,
  permissions: ["microphone"],
  args: [
    ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    ...["--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream"],
    ...["--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${rest[0]}%noloop`],
  ],
});

async function speak(page, samples) {
  const messages = [];
  const isTaken = new Promise((resolve) => {
    page.on("websocket", (socket) => {
      socket.on("framereceived", ({ payload }) => {
        const message = JSON.parse(payload);
        messages.push(message);
        if (message.audio_offset >= samples) {
          resolve();
        }
      });
    });
  });
  await page.goto(url);
  await page.click("#toggle");
  await isTaken;
  await page.click("#toggle");
  const isStopped = ({ textContent, disabled }) => textContent === "Speak" && !disabled;
  await page.waitForFunction(`(${isStopped})(document.getElementById("toggle"))`, undefined, { timeout: 60_000 });
  const finals = await page.$$eval("#finals li", (items) => items.map((item) => item.textContent));
  return { messages, finals, status: await page.textContent("#status") };
}

async function open(page, hub, key) {
  await page.goto(url);
  return page.evaluate(
    async ([hub, keys]) => {
      const { AsrHub } = await import("/dist/index.js");
      const told = [];
      for (const transport of ["websocket", "http"]) {
        for (const key of keys) {
          try {
            const session = await new AsrHub({ url: hub, key, transport }).open();
            const tone = Float32Array.from({ length: 32_000 }, (_, n) => 0.3 * Math.sin(n / 8));
            await session.send(tone);
            const { audio_offset } = await session.close();
            const texts = [];
            for await (const message of session) {
              if (message.type === "final") {
                texts.push(message.hypothesis.text);
              }
            }
            told.push({ audio_offset, texts });
          } catch (error) {
            told.push({ error: error.name, code: error.code });
          }
        }
      }
      return { told };
    },
    [hub, [key, "wrong"]],
  );
}

async function hear(page, times) {
  await page.goto(url);
  const seconds = await page.evaluate(async (times) => {
    const { Microphone } = await import("/dist/index.js");
    let samples = 0;
    for (let time = 0; time < times; time += 1) {
      let isHeard;
      const heard = new Promise((resolve) => (isHeard = resolve));
      const sink = {
        send: async ({ length }) => {
          samples += length;
          isHeard();
        },
      };
      const microphone = await Microphone.open(sink, { blockMs: 20 });
      await heard;
      await microphone.stop();
    }
    return samples / 16_000;
  }, times);
  const devtools = await context.newCDPSession(page);
  await devtools.send("Performance.enable");
  let left = Infinity;
  for (const end = Date.now() + 10_000; left > 0 && Date.now() < end; ) {
    await devtools.send("HeapProfiler.collectGarbage");
    const { metrics } = await devtools.send("Performance.getMetrics");
    left = metrics.find(({ name }) => name === "AudioHandlers").value;
  }
  return { seconds, left };
}

async function acted(page) {
  switch (what) {
    case "speak":
      return speak(page, Number(rest[1]));
    case "hear":
      return hear(page, Number(rest[1]));
    default:
      return open(page, ...rest);
  }
}

try {
  const page = context.pages()[0] ?? (await context.newPage());
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  const told = await acted(page);
  console.log(JSON.stringify({ ...told, faults }));
} finally {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
