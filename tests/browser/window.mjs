// A window of the browser that the tests share, for one scenario. Arguments: BROWSER URL OPTIONS.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.CLIENTS, "package.json"));
const { chromium } = require("playwright-core");

/** The file of the package axe-core that is put into a page. */
export const AXE = require.resolve("axe-core/axe.min.js");

const [address, url, json] = process.argv.slice(2);

/** Milliseconds for whatever is waited for. */
const PATIENCE = 60_000;

/** What a browser says of a network that was cut on purpose. */
const CUT = /net::ERR_|WebSocket connection to|Failed to load resource/;

/**
 * Do `work` with what it needs and print what it returns, with all that went wrong in the page, as one line of JSON.
 *
 * `options.lines`: other addresses of the same hub, on which the network breaks: of that the browser may complain.
 */
export async function scenario(work) {
  const options = JSON.parse(json);
  const browser = await chromium.connectOverCDP(address);
  const faults = [];
  const contexts = [];
  const homes = new Set([url, ...(options.lines ?? [])].map((one) => new URL(one).origin));
  const open = async (more = {}) => {
    const context = await browser.newContext({ permissions: ["microphone"], locale: "en-US", ...more });
    contexts.push(context);
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.on("pageerror", (error) => faults.push(`uncaught: ${error.stack ?? error}`));
    page.on("console", (message) => {
      if (message.type() === "error" && !(options.lines && CUT.test(message.text()))) {
        faults.push(`console: ${message.text()} ${message.location().url}`);
      }
    });
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (!["blob:", "data:"].includes(protocol) && !homes.has(origin)) {
        faults.push(`a request to ${request.url()}`);
      }
    });
    return page;
  };
  try {
    const told = await work({ open, url, options });
    console.log(JSON.stringify({ ...told, faults }));
  } catch (error) {
    const pages = contexts.flatMap((context) => context.pages());
    const shown = await Promise.all(pages.map((page) => page.locator("body").innerText().catch(String)));
    throw new Error(`${error.message}\n${shown.join("\n--\n")}\n${faults.join("\n")}`, { cause: error });
  } finally {
    await Promise.all(contexts.map((context) => context.close()));
    await browser.close();
  }
}

/** The address of a view: `#/live`. */
export function view(route, base = url) {
  return `${base}/#/${route}`;
}

/** The finals that are shown, in order. */
export function finals(page) {
  return page.getByTestId("final").evaluateAll((found) => found.map((one) => (one.querySelector("p") ?? one).textContent.trim()));
}

/** Wait until so many are shown. */
export async function said(page, count = 1) {
  await page.getByTestId("final").nth(count - 1).waitFor();
}

/** Wait until what the page reads from the hub is there. */
export function settled(page) {
  return page.waitForFunction(() => document.querySelector('[aria-busy="true"]') === null);
}

/** Drop a sound file on the Live view, and wait until it has been heard. */
export async function dropped(page, file) {
  const data = await page.evaluateHandle((bytes) => {
    const data = new DataTransfer();
    const whole = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
    data.items.add(new File([whole], "spoken.wav", { type: "audio/wav" }));
    return data;
  }, await readFile(file, "base64"));
  await page.getByTestId("view-live").dispatchEvent("drop", { dataTransfer: data });
  await page.locator('[data-testid="connection"][data-state="closed"]').waitFor();
}
