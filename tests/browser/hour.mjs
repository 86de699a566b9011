// As much as is said in an hour, streamed from a file into the Live view: what the page holds of it, and whether it answers.
//   options: { count, spoken, quiet }: seconds of each utterance, and of the pause after it
import { scenario, settled, view } from "./window.mjs";

/** Runs in the page: a WAV file with a tone for each utterance, as what a drag carries. */
function tones({ count, spoken, quiet }) {
  const rate = 16_000;
  const one = new Int16Array(Math.round((spoken + quiet) * rate));
  one.forEach((_, at) => (one[at] = at < spoken * rate ? 9_830 * Math.sin((2 * Math.PI * 220 * at) / rate) : 0));
  const samples = new Int16Array(one.length * count);
  for (let number = 0; number < count; number += 1) {
    samples.set(one, number * one.length);
  }
  const head = new DataView(new ArrayBuffer(44));
  [..."RIFF....WAVEfmt "].forEach((letter, at) => head.setUint8(at, letter.charCodeAt(0)));
  [..."data"].forEach((letter, at) => head.setUint8(36 + at, letter.charCodeAt(0)));
  head.setUint32(4, 36 + samples.byteLength, true);
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, 1, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  head.setUint32(40, samples.byteLength, true);
  const data = new DataTransfer();
  data.items.add(new File([head, samples], "hour.wav", { type: "audio/wav" }));
  return data;
}

await scenario(async ({ open, options: { count, spoken, quiet } }) => {
  const page = await open();
  await page.goto(view("live"));
  await settled(page);
  // Made in the page: a file of this size does not get there from here.
  const data = await page.evaluateHandle(tones, { count, spoken, quiet });
  await page.getByTestId("view-live").dispatchEvent("drop", { dataTransfer: data });
  await page.getByTestId("final").nth(5).waitFor();
  // In the midst of it.
  await page.getByRole("combobox", { name: "Theme" }).selectOption("dark");
  await page.locator('html[data-theme="dark"]').waitFor();
  await page.locator('[data-testid="connection"][data-state="closed"]').waitFor({ timeout: 180_000 });
  await page.locator(`[data-testid="final"][data-utterance="${count}"]`).waitFor();
  const last = await page.evaluate(() => document.querySelectorAll("*").length);
  const lines = page.getByRole("region", { name: "What was said" }).last();
  await lines.evaluate((list) => list.scrollTo(0, 0));
  await page.locator('[data-testid="final"][data-utterance="1"]').waitFor();
  const first = await page.evaluate(() => document.querySelectorAll("*").length);
  return { last, first, shown: await page.getByTestId("final").count() };
});
