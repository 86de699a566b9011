// Every view that the page has, as it comes up: what axe-core finds in it, and whether it fits into the window.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { AXE, scenario, settled, view } from "./window.mjs";

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

await scenario(async ({ open, options }) => {
  const told = {};
  for (const colorScheme of ["light", "dark"]) {
    const page = await open({ colorScheme, viewport: SIZES.wide });
    for (const [name, route] of Object.entries(options.routes)) {
      await page.goto(view(route));
      await page.getByTestId(`view-${name}`).waitFor();
      await settled(page);
      const violations = await look(page);
      const overflows = [];
      const sizes = colorScheme === "light" || options.screenshots ? Object.entries(SIZES) : [];
      for (const [size, viewport] of sizes) {
        await page.setViewportSize(viewport);
        if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) {
          overflows.push(size);
        }
        if (options.screenshots && !(size === "phone" && colorScheme === "dark")) {
          const file = size === "phone" ? `${name}-phone.png` : `${name}-${colorScheme}.png`;
          await page.screenshot({ path: join(options.screenshots, file) });
        }
      }
      await page.setViewportSize(SIZES.wide);
      told[`${name} ${colorScheme}`] = { violations, overflows };
    }
  }
  return { told };
});
