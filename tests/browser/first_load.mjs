// What a first visit costs: the bytes of every answer, as they came over the line, and what kind it was.
import { scenario, settled, view } from "./window.mjs";

await scenario(async ({ open }) => {
  const page = await open();
  const line = await page.context().newCDPSession(page);
  const kinds = new Map();
  const loaded = {};
  line.on("Network.responseReceived", ({ requestId, type, response }) => {
    kinds.set(requestId, { type, headers: response.headers });
  });
  line.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const type = kinds.get(requestId)?.type;
    loaded[type] = (loaded[type] ?? 0) + encodedDataLength;
  });
  await line.send("Network.enable");
  await page.goto(view("live"));
  await page.getByTestId("view-live").waitFor();
  await settled(page);
  return { loaded, policy: [...kinds.values()].map(({ headers }) => headers["content-security-policy"]).find(Boolean) };
});
