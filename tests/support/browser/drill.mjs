// The incident drill in Chromium, from the console alone: node drill.mjs ADDRESS KEY FOLDER. It prints a word when the other
// side has to do something ("stop", "start"), waits for a line, and prints what it saw as JSON in the end.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { launch } from "./chromium.mjs";

const [address, key, folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

const input = createInterface({ input: process.stdin });
const lines = input[Symbol.asyncIterator]();
const order = async (word) => {
  console.log(word);
  await lines.next();
};

const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const wrong = [];
page.on("console", (message) => message.type() === "error" && !message.text().includes("Failed to load resource") && wrong.push(message.text()));
page.on("pageerror", (error) => wrong.push(String(error)));
const began = performance.now();
const steps = [];
const seen = async (name, facts = {}) => {
  steps.push({ name, seconds: Math.round((performance.now() - began) / 100) / 10, ...facts });
  await page.screenshot({ path: join(folder, `${steps.length}-${name}.png`) });
};
// Looks at a page again until it shows something.
const until = async (path, isShown) => {
  for (;;) {
    await page.goto(address + path);
    if (await isShown()) return;
    await page.waitForTimeout(500);
  }
};
const text = () => page.locator("main").innerText();
const rows = (said) => page.locator("main tbody tr").filter({ hasText: said }).count();

// Plans another mode, reads what each replica will accept, and orders it.
const flip = async (mode) => {
  await page.goto(`${address}/console/rollback`);
  await page.getByRole("radio", { name: mode }).check();
  await page.getByRole("button", { name: "Show what each replica will accept" }).click();
  const accepting = await rows("accepts runs");
  await page.getByLabel("Reason").fill("the incident drill");
  await page.getByRole("button", { name: `Go to ${mode}` }).click();
  await page.waitForLoadState();
  const acknowledged = await rows("acknowledged");
  return { accepting, acknowledged, title: await page.locator("h1").innerText() };
};

await page.goto(`${address}/console`);
await page.getByLabel("Key").fill(key);
await page.getByRole("button", { name: "Sign in" }).click();
await page.waitForURL(/\/console$/);
// Both replicas have told the other of their flags.
await until("/console/flags", async () => await rows("acknowledged") === 2);
await seen("before");

await order("stop");
await until("/console", async () => (await text()).includes("The database is away."));
await seen("database-away");

await seen("file-only", await flip("FILE_ONLY"));

await order("start");
await until("/console/flags", async () => {
  const shown = await text();
  return shown.includes("reachable") && !shown.includes("holds until the database is back") && !shown.includes("behind");
});
await seen("database-back", { acknowledged: await rows("acknowledged") });

await seen("dual-write", await flip("DUAL_WRITE"));

await until("/console/reconciliation", async () => {
  const shown = await text();
  return shown.includes("Everything of these files is in the database.") && shown.includes("No run has two versions.");
});
await seen("reconciled");
await browser.close();
input.close();
console.log(JSON.stringify({ steps, wrong }));
