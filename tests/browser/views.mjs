// Every view that the page has, as it comes up: what axe-core finds in it, and whether it fits into the window.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { AXE, dropped, scenario, settled, view } from "./window.mjs";

const SIZES = { wide: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };

/** Axe-core's own words for what keeps people out. */
const GRAVE = new Set(["serious", "critical"]);

const axe = await readFile(AXE, "utf8");

async function look(page) {
  // Not as a script of the page, which its policy would refuse.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => GRAVE.has(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ""}`).join(" | ")}`);
}

/** Open a view, with what there is to see in it. */
async function show(page, name, route, { file, shown = {} }) {
  await page.goto(view(route));
  await page.getByTestId(`view-${name}`).waitFor();
  await settled(page);
  if (name in shown) {
    await page.getByTestId(shown[name]).first().waitFor({ state: "attached" });
  }
  if (name === "time" && name in shown) {
    // In the midst of it, where there is something to tell.
    const slider = page.getByRole("slider", { name: "Action" });
    await slider.fill(String(Math.round(Number(await slider.getAttribute("max")) / 2)));
    await settled(page);
  }
  if (name === "live" && file !== undefined) {
    await dropped(page, file);
  }
}

/** The sizes at which what is shown is wider than the window; with a folder, pictures of it. */
async function fit(page, name, theme, folder) {
  const overflows = [];
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) {
      overflows.push(size);
    }
    if (folder !== undefined && !(size === "phone" && theme === "dark")) {
      const suffix = size === "phone" ? "-phone" : theme === "dark" ? "-dark" : "";
      await page.screenshot({ path: join(folder, `${name}${suffix}.png`) });
    }
  }
  await page.setViewportSize(SIZES.wide);
  return overflows;
}

await scenario(async ({ open, options: { themes, routes, screenshots, ...what } }) => {
  const told = {};
  for (const theme of themes) {
    const page = await open({ colorScheme: theme, viewport: SIZES.wide, reducedMotion: "reduce" });
    for (const [name, route] of Object.entries(routes)) {
      await show(page, name, route, what);
      told[`${name} ${theme}`] = { violations: await look(page), overflows: await fit(page, name, theme, screenshots) };
    }
  }
  return { told };
});
