// Looks at the console in Chromium as people use it, and prints what is wrong as JSON: node console.mjs ORDER, where the order is
// JSON: {address, key, run, pages, away, shots}. Between the parts it prints {"ask": what} and waits for a line.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const order = JSON.parse(process.argv[2]);
const program = process.env.CHROMIUM ?? process.env.PATH.split(delimiter)
  .flatMap((folder) => ["chromium", "chromium-browser", "google-chrome"].map((name) => join(folder, name)))
  .find((path) => existsSync(path));
if (!program) throw new Error("Chromium is missing: run `make setup`");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const input = createInterface({ input: process.stdin });
const answers = input[Symbol.asyncIterator]();
const ask = async (what) => {
  console.log(JSON.stringify({ ask: what }));
  await answers.next();
};

const wrong = [];
const paints = {};
const facts = {};
// In a container, the tests run as root and without user namespaces, where Chromium has no sandbox of its own.
const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });

// A browser of a person: its errors are collected under the place that it looks at.
async function person(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const seen = { page, context, place: "" };
  const add = (kind, what) => wrong.push({ place: seen.place, kind, what: String(what).slice(0, 300) });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !seen.mayFail) add("console", message.text());
  });
  page.on("pageerror", (error) => add("error", error));
  page.on("request", (request) => {
    if (!request.url().startsWith(order.address) && !request.url().startsWith("data:")) add("foreign request", request.url());
  });
  seen.add = add;
  return seen;
}

async function sign_in(one) {
  one.place = "login";
  await one.page.goto(`${order.address}/console`);
  await one.page.fill("#key", order.key);
  await one.page.press("#key", "Enter");
  await one.page.waitForURL((url) => url.pathname === "/console");
}

// Width, axe and paint of one page.
async function look(one, path, name, { isAudited = true } = {}) {
  one.place = name;
  const answer = await one.page.goto(`${order.address}${path}`);
  if (answer.status() >= 400) one.add("status", answer.status());
  if (!answer.headers()["content-security-policy"]?.startsWith("default-src 'none'")) one.add("policy", "none");
  const page = await one.page.evaluate(() => ({
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
    headings: document.querySelectorAll("h1").length,
    styled: getComputedStyle(document.body).display === "grid",
    banners: document.querySelectorAll(".notice.warn strong").length,
  }));
  if (page.overflow > 0) one.add("overflow", page.overflow);
  if (page.headings !== 1) one.add("headings", page.headings);
  if (!page.styled) one.add("style", "the page has none");
  if (page.paint) paints[name] = Math.min(paints[name] ?? Infinity, Math.round(page.paint));
  if (isAudited) {
    await one.page.evaluate(axe);
    const found = await one.page.evaluate(async () => (await window.axe.run()).violations);
    found.forEach(({ id, nodes }) => one.add(`axe ${id}`, nodes.slice(0, 3).map((node) => node.html)));
  }
  const inAllSchemes = ["overview", "run-complete"].includes(name) || one.scheme === "phone";
  const isShown = name.endsWith("-away") ? name === "overview-away" : inAllSchemes || one.scheme === "light";
  if (order.shots && isShown) {
    mkdirSync(order.shots, { recursive: true });
    await one.page.screenshot({ path: join(order.shots, `${name}-${one.scheme}.png`), fullPage: false });
  }
  return page;
}

async function every(one, suffix = "") {
  for (const [name, path] of order.pages) await look(one, path, `${name}${suffix}`);
}

const wide = Object.assign(await person({ viewport: { width: 1440, height: 900 }, colorScheme: "light" }), { scheme: "light" });
await look(wide, "/console/login", "login");
await sign_in(wide);

// A phone, in the dark.
const size = order.shots ? { width: 1440, height: 900 } : { width: 375, height: 740 };
const narrow = Object.assign(await person({ viewport: size, colorScheme: "dark" }), { scheme: "dark" });
await look(narrow, "/console/login", "login");
await sign_in(narrow);
await Promise.all([every(wide), every(narrow)]);
if (order.shots) {
  const phone = Object.assign(await person({ viewport: { width: 375, height: 740 }, colorScheme: "light" }), { scheme: "phone" });
  await sign_in(phone);
  for (const [name, path] of order.pages.slice(0, 4)) await look(phone, path, name);
}

// With keys alone: the skip link comes first, "/" leads to the search, and a bare id to its run.
wide.place = "keyboard";
await wide.page.goto(`${order.address}/console/runs`);
await wide.page.keyboard.press("Tab");
facts.first_stop = await wide.page.evaluate(() => document.activeElement.className);
await wide.page.keyboard.press("Enter");
facts.skipped_to = await wide.page.evaluate(() => document.activeElement.id);
await wide.page.keyboard.press("/");
await wide.page.keyboard.type(order.run);
await wide.page.keyboard.press("Enter");
await wide.page.waitForURL((url) => url.pathname === `/console/runs/${order.run}`);
facts.found_by_id = await wide.page.textContent("h1");
const unseen = await wide.page.evaluate(async () => {
  const stops = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
    .filter((stop) => stop.checkVisibility() && !stop.disabled);
  return stops.filter((stop) => {
    stop.focus({ focusVisible: true });
    const style = getComputedStyle(stop);
    return document.activeElement === stop && style.outlineStyle === "none";
  }).map((stop) => stop.outerHTML.slice(0, 120));
});
unseen.forEach((stop) => wide.add("no visible focus", stop));

// Live: the first page renews itself, keeps its place, and stops when it is told to.
wide.place = "live";
await wide.page.goto(`${order.address}/console`);
const renewed = () => wide.page.waitForResponse((answer) => answer.url().endsWith("/console/live"), { timeout: 15_000 });
facts.renews = (await renewed()).status();
await wide.page.click("[data-live-toggle]");
facts.paused = await wide.page.getAttribute("[data-live-toggle]", "aria-pressed");
const going = renewed();
await wide.page.click("[data-live-toggle]");
facts.goes_on = (await going).status();

// Without script, forms and links are enough.
const plain = Object.assign(await person({ viewport: { width: 1024, height: 800 }, javaScriptEnabled: false }), { scheme: "plain" });
await sign_in(plain);
plain.place = "without script";
await plain.page.goto(`${order.address}/console/runs`);
// Where there is no room, or the browser knows no better, the filters are folded.
const fold = plain.page.locator("details.fold:not([open]) > summary");
if (await fold.isVisible()) await fold.click();
await plain.page.selectOption("#f-status", "COMPLETED");
await Promise.all([
  plain.page.waitForURL((url) => url.searchParams.get("status") === "COMPLETED"),
  plain.page.click("form.filters button"),
]);
facts.filtered = new URL(plain.page.url()).searchParams.get("status");
facts.lines_without_script = await plain.page.locator("tbody tr").count();

if (order.away) {
  await ask("stop the database");
  wide.mayFail = narrow.mayFail = true;
  wide.place = "banner";
  // A few failed calls tell an outage from a hiccup; only then the pages say it.
  const until = performance.now() + 30_000;
  do await wide.page.goto(`${order.address}/console`);
  while (await wide.page.locator(".notice.warn strong").count() === 0 && performance.now() < until);
  const holds = ([name]) => !(order.need_database ?? []).includes(name);
  const held = order.pages.filter(holds);
  await Promise.all([wide, narrow].map(async (one, half) => {
    for (const [name, path] of held.filter((_, index) => index % 2 === half)) {
      const page = await look(one, path, `${name}-away`, { isAudited: name === "overview" || name === "runs" });
      if (page.banners === 0) one.add("banner", "none while the database is away");
    }
  }));
}
await browser.close();
input.close();
console.log(JSON.stringify({ wrong, paints, facts }));
