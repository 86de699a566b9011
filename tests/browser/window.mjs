// A window of the browser that the tests share, for one scenario. Arguments: BROWSER URL OPTIONS.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.CLIENTS, "package.json"));
const { chromium } = require("playwright-core");

/** The file of the package axe-core that is put into a page. */
export const AXE = require.resolve("axe-core/axe.min.js");

const [address, url, json] = process.argv.slice(2);

/** Milliseconds for whatever is waited for. */
const PATIENCE = 20_000;

/** What a browser says of a network that was cut on purpose. */
const CUT = /net::ERR_|WebSocket connection to|Failed to load resource/;

/**
 * Do `work` with what it needs and print what it returns, with all that went wrong in the page, as one line of JSON.
 *
 * `options.isCut`: the network breaks on purpose, which the browser may complain of.
 */
export async function scenario(work) {
  const options = JSON.parse(json);
  const browser = await chromium.connectOverCDP(address);
  const faults = [];
  const contexts = [];
  const open = async (more = {}) => {
    const context = await browser.newContext({ permissions: ["microphone"], locale: "en-US", ...more });
    contexts.push(context);
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.on("pageerror", (error) => faults.push(`uncaught: ${error.stack ?? error}`));
    page.on("console", (message) => {
      if (message.type() === "error" && !(options.isCut && CUT.test(message.text()))) {
        faults.push(`console: ${message.text()} ${message.location().url}`);
      }
    });
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (!["blob:", "data:"].includes(protocol) && origin !== new URL(url).origin) {
        faults.push(`a request to ${request.url()}`);
      }
    });
    return page;
  };
  try {
    const told = await work({ open, url, options });
    console.log(JSON.stringify({ ...told, faults }));
  } finally {
    await Promise.all(contexts.map((context) => context.close()));
    await browser.close();
  }
}

/** The address of a view: `#/live`. */
export function view(route) {
  return `${url}/#/${route}`;
}

/** The text of everything with this test id, in order. */
export function texts(page, id) {
  return page.getByTestId(id).evaluateAll((found) => found.map((one) => one.textContent.trim()));
}

/** Wait until what the page reads from the hub is there. */
export function settled(page) {
  return page.waitForFunction(() => document.querySelector('[aria-busy="true"]') === null);
}
