// People in the Live view, all at once, each in a window of their own: what the page showed them in the end.
//   options.people: [{ act, protocol, base, ... }]
import { dropped, finals, said, scenario, settled, view } from "./window.mjs";

const ACTS = { speak, reload, change, drop, duplicate };

async function begin(page, { protocol, base, act, engine }) {
  await page.goto(view("live", base));
  await page.getByRole("radio", { name: protocol }).check();
  if (act === "speak" && engine !== undefined) {
    await page.getByLabel("Engine").selectOption(engine);
  }
  await page.getByRole("button", { name: "Start speaking" }).click();
}

/** In mid-utterance; or just after it, on a machine that is too busy to show a partial for long enough to be seen. */
async function speaking(page) {
  await page.getByTestId("partial").or(page.getByTestId("final")).first().waitFor();
}

async function end(page) {
  await page.getByRole("button", { name: "End session" }).click();
  await page.locator('[data-testid="connection"][data-state="closed"]').waitFor();
}

async function speak(page, person) {
  await begin(page, person);
  if (person.isAway) {
    await page.locator('[data-testid="connection"][data-state="live"]').waitFor();
    for (const name of ["Watch", "Live"]) {
      await page.getByRole("navigation").getByRole("link", { name }).click();
      await page.getByTestId(`view-${name.toLowerCase()}`).waitFor();
    }
  }
  await said(page);
  await end(page);
  return { finals: await finals(page), connection: await page.getByTestId("connection").textContent() };
}

/** In the midst of an utterance; the page listens on by itself, and the microphone begins anew. */
async function reload(page, person) {
  await begin(page, person);
  await speaking(page);
  await page.reload();
  await said(page, 2);
  await end(page);
  return { finals: await finals(page) };
}

/** Another engine and another protocol while the first utterance is being said. */
async function change(page, person) {
  await begin(page, person);
  await speaking(page);
  await page.getByLabel("Engine").selectOption(person.engine);
  await page.getByRole("radio", { name: person.then }).check();
  await said(page);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Speak on" }).click();
  await said(page, 2);
  await end(page);
  return { finals: await finals(page), connection: await page.getByTestId("connection").textContent() };
}

async function drop(page, { base, file }) {
  await page.goto(view("live", base));
  await settled(page);
  await dropped(page, file);
  return { finals: await finals(page) };
}

/** The tab is duplicated, with what it keeps, while somebody speaks in it. */
async function duplicate(page, person) {
  await begin(page, person);
  await page.locator('[data-testid="connection"][data-state="live"]').waitFor();
  const [second] = await Promise.all([page.waitForEvent("popup"), page.evaluate(() => void window.open(location.href))]);
  await second.locator('[data-testid="connection"][data-state="idle"]').waitFor();
  await second.getByRole("button", { name: "Start speaking" }).click({ trial: true });
  const state = (of) => of.getByTestId("connection").getAttribute("data-state");
  const told = { first: await state(page), second: await state(second), finals: await finals(second) };
  await end(page);
  return told;
}

await scenario(async ({ open, options }) => ({
  people: await Promise.all(options.people.map(async (person) => ACTS[person.act](await open(), person))),
}));
