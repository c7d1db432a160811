// Retries a failed run with keys alone and follows it to its end, in Chromium: node follow.mjs ORDER, where the order is JSON:
// {address, key, run}. It prints {"ask": "answer"} when the model is to answer once, waits for a line, and prints what it saw.
import { dialogue, launch, person, signIn } from "./chromium.mjs";

const order = JSON.parse(process.argv[2]);
const { ask, end } = dialogue();
const [wrong, facts] = [[], {}];
const browser = await launch();
const one = await person(browser, order.address, wrong, { viewport: { width: 1280, height: 900 } });
const { page } = one;
const { keyboard } = page;
const isStream = (request) => request.url().endsWith(`/console/runs/${order.run}/events`);

// Goes on with Tab until a place has the focus.
async function tabTo(selector) {
  for (let stops = 0; stops < 60; stops += 1) {
    await keyboard.press("Tab");
    if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return;
  }
  throw new Error(`no stop of the Tab key is ${selector}`);
}
// The stages that the page shows as complete.
const COMPLETE = "[aria-labelledby=stages] tbody .badge.good";
const shows = (stages) => page.waitForFunction(
  ([selector, wanted]) => document.querySelectorAll(selector).length === wanted,
  [COMPLETE, stages],
);

await signIn(one, order.address, order.key);
one.place = "retry";
await keyboard.press("/");
await keyboard.type(order.run);
await keyboard.press("Enter");
await page.waitForURL((url) => url.pathname === `/console/runs/${order.run}`);
await tabTo("#why-retry");
await keyboard.type("The model is back");
await keyboard.press("Tab");
const opened = page.waitForRequest(isStream);
await keyboard.press("Enter");
await page.waitForURL((url) => url.searchParams.has("note"));
facts.note = new URL(page.url()).searchParams.get("note");

one.place = "follow";
facts.stream = (await (await opened).response()).headers()["content-type"];
await page.evaluate(() => {
  window.isSamePage = true;
  // The page also looks again every few seconds: without that, only an event can renew it.
  document.querySelector("[data-events]").dataset.live = "0";
});
await shows(1);
await ask("answer");
await shows(2);
facts.stays = await page.evaluate(() => window.isSamePage);

const closed = page.waitForEvent("requestfailed", isStream);
await page.click("[data-live-toggle]");
await closed;
facts.paused = await page.textContent("[data-live-word]");
// The other side answers when the stage is stored.
await ask("answer");
facts.while_paused = await page.locator(COMPLETE).count();
const again = page.waitForRequest(isStream);
await page.click("[data-live-toggle]");
await again;
await shows(3);

await ask("answer");
await page.waitForFunction(() => !window.isSamePage && document.readyState === "complete");
facts.stages = await page.locator(COMPLETE).count();
facts.reports = await page.getByRole("link", { name: "Report", exact: true }).count();
facts.follows = await page.locator("[data-events]").count();
await browser.close();
end({ wrong, facts });
