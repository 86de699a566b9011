// A walk through a recording: the state at each of the places asked for, and the recording taken away and brought back.
//   options: { recording, places, folder }
import { join } from "node:path";

import { scenario, settled, view } from "./window.mjs";

await scenario(async ({ open, options: { recording, places, folder } }) => {
  const page = await open();
  await page.goto(view(`time/recordings/${recording}`));
  await settled(page);
  const slider = page.getByRole("slider", { name: "Action" });
  const states = {};
  for (const place of places) {
    await slider.fill(String(place));
    const state = page.locator(`[data-testid="state"][data-at="${place}"]`);
    await state.waitFor({ state: "attached" });
    states[place] = JSON.parse(await state.textContent());
  }
  // One step by keyboard.
  await slider.press("ArrowLeft");
  await page.locator(`[data-testid="state"][data-at="${places.at(-1) - 1}"]`).waitFor({ state: "attached" });
  const seconds = await page.locator("audio").evaluate(
    (audio) => audio.duration || new Promise((resolve) => audio.addEventListener("loadedmetadata", () => resolve(audio.duration))),
  );
  // By keyboard alone: what goes away, or is of no use at the end, leaves the focus where one can go on.
  await page.getByRole("listbox", { name: "Actions" }).press("ArrowUp");
  await page.locator(`[data-testid="state"][data-at="${places.at(-1) - 2}"]`).waitFor({ state: "attached" });
  await page.getByLabel("Text or type").fill("final");
  await page.getByRole("button", { name: "Show all" }).last().press("Enter");
  const cleared = await page.evaluate(() => document.activeElement.tagName);
  // What was said last, and why it came.
  const toLast = page.getByRole("button", { name: "Last" });
  await toLast.press("Enter");
  await settled(page);
  const keyboard = { cleared, isAtLast: await toLast.evaluate((button) => button === document.activeElement) };
  const causes = await page.getByTestId("causes").locator("li").count();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
  const file = join(folder, "away.zip");
  await download.saveAs(file);
  await page.goto(view("time"));
  await settled(page);
  await page.locator('input[type="file"]').setInputFiles(file);
  // It is opened when it is there.
  await page.waitForURL(/time\/recordings\/./);
  await page.goto(view("time"));
  await page.getByTestId("recording").filter({ hasText: "uploaded" }).waitFor();
  return { states, seconds, causes, keyboard, listed: await page.getByTestId("recording").count() };
});
