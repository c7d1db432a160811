// Looks at the console in Chromium as people use it, and prints what is wrong as JSON: node console.mjs ORDER, where the order is
// JSON: {address, key, run, views, pages, shares, refused, need_database, away, shots, shown_away}. Between the parts it prints
// {"ask": what} and waits for a line.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { axe, dialogue, launch, person, picture, signIn } from "./chromium.mjs";

const order = JSON.parse(process.argv[2]);
const { ask, end } = dialogue();
const wrong = [];
const paints = {};
const facts = {};
const looked = [];
const browser = await launch();

// A person with a screen. A view is {name, width, scheme, only, acts}: `only` names the pages whose pictures are taken.
async function viewer(view) {
  const height = view.width < 600 ? 740 : 900;
  const options = { viewport: { width: view.width, height }, colorScheme: view.scheme };
  return Object.assign(await person(browser, order.address, wrong, options), { view });
}

// Width, axe and paint of the page that a person has before them, and its picture.
async function inspect(one, answer, name, isAudited) {
  one.place = `${name} ${one.view.name}`;
  if (answer.status() >= 400 && !order.refused?.includes(name)) one.add("status", answer.status());
  if (!answer.headers()["content-security-policy"]?.startsWith("default-src 'none'")) one.add("policy", "none");
  const page = await one.page.evaluate(async () => ({
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    paint: await new Promise((resolve) => {
      // A page may have loaded before it is painted.
      const isFirst = ({ name }) => name === "first-contentful-paint";
      const seen = (list) => list.getEntries().filter(isFirst).forEach((entry) => resolve(entry.startTime));
      new PerformanceObserver(seen).observe({ type: "paint", buffered: true });
      setTimeout(resolve, 2_000, null);
    }),
    headings: document.querySelectorAll("h1").length,
    styled: getComputedStyle(document.body).display === "grid",
    banners: document.querySelectorAll(".notice.warn strong").length,
  }));
  looked.push(one.place);
  if (page.overflow > 0) one.add("overflow", page.overflow);
  if (page.headings !== 1) one.add("headings", page.headings);
  if (!page.styled) one.add("style", "the page has none");
  if (page.paint) paints[name] = Math.min(paints[name] ?? Infinity, Math.round(page.paint));
  if (isAudited) {
    await one.page.evaluate(axe);
    const found = await one.page.evaluate(async () => (await window.axe.run()).violations);
    found.forEach(({ id, nodes }) => one.add(`axe ${id}`, nodes.slice(0, 3).map((node) => node.html)));
  }
  const isShown = one.view.only?.includes(name) ?? (!one.isAway || order.shown_away?.includes(name));
  if (order.shots && isShown) {
    mkdirSync(order.shots, { recursive: true });
    writeFileSync(join(order.shots, `${name}-${one.view.name}.webp`), await picture(browser, one.page));
  }
  if (isAudited) await seeFocus(one);
  return page;
}

// A person with a keyboard sees where they are, at each stop of the page.
async function seeFocus(one) {
  const unseen = await one.page.evaluate(() => {
    const stops = [...document.querySelectorAll("a[href], button, input, select, summary, textarea, [tabindex='0']")]
      .filter((stop) => stop.checkVisibility() && !stop.disabled);
    return stops.filter((stop) => {
      stop.focus({ focusVisible: true });
      const style = getComputedStyle(stop);
      return document.activeElement === stop && style.outlineStyle === "none";
    }).map((stop) => stop.outerHTML.slice(0, 120));
  });
  unseen.forEach((stop) => one.add("no visible focus", stop));
}

async function look(one, path, name, isAudited = true) {
  one.place = `${name} ${one.view.name}`;
  // Chromium writes each refused page to its console.
  one.mayFail = one.isAway || order.refused?.includes(name);
  const answer = await one.page.goto(`${order.address}${path}`);
  const page = await inspect(one, answer, name, isAudited);
  one.mayFail = one.isAway;
  return page;
}

// Sends the form of a button, and looks at the page that answers.
async function send(one, button, name) {
  const answered = one.page.waitForResponse((answer) => answer.request().method() === "POST");
  await one.page.getByRole("button", { name: button }).click();
  const answer = await answered;
  await one.page.waitForLoadState();
  if (name) await inspect(one, answer, name, true);
}

// The pages that answer a form: a key that is shown once, and a rollback with those who have followed.
async function act(one) {
  one.place = `forms ${one.view.name}`;
  await one.page.goto(`${order.address}/console/keys`);
  await one.page.getByText("New key").click();
  await one.page.getByLabel("Name").fill(`Report reader ${one.view.name}`);
  await one.page.getByLabel("Role").selectOption("viewer");
  await send(one, "Make the key", "key-made");
  for (const mode of ["FILE_ONLY", "DUAL_WRITE"]) {
    await one.page.goto(`${order.address}/console/rollback?to=${mode}`);
    await one.page.getByLabel("Reason").fill("A rehearsal of the rollback");
    await send(one, `Go to ${mode}`, mode === "FILE_ONLY" ? "rollback-report" : null);
  }
}

const viewers = [];
for (const view of order.views) {
  const one = await viewer(view);
  await look(one, "/console/login", "login");
  await signIn(one, order.address, order.key);
  viewers.push(one);
}
// Two screens see each page at the same time, or they share the pages, so that each page is seen once.
async function everywhere(pages, see) {
  await Promise.all(viewers.map(async (one, share) => {
    const own = pages.filter((_, index) => !order.shares || index % viewers.length === share);
    for (const page of own) await see(one, page);
  }));
}
await everywhere(order.pages, (one, [name, path]) => look(one, path, name));
for (const one of viewers.filter((one) => one.view.acts)) await act(one);

if (order.run) {
  // With keys alone: the skip link comes first, "/" leads to the search, and a bare id to its run.
  const [one] = viewers;
  one.place = "keyboard";
  await one.page.goto(`${order.address}/console/runs`);
  await one.page.keyboard.press("Tab");
  facts.first_stop = await one.page.evaluate(() => document.activeElement.className);
  await one.page.keyboard.press("Enter");
  facts.skipped_to = await one.page.evaluate(() => document.activeElement.id);
  await one.page.keyboard.press("/");
  await one.page.keyboard.type(order.run);
  await one.page.keyboard.press("Enter");
  await one.page.waitForURL((url) => url.pathname === `/console/runs/${order.run}`);
  facts.found_by_id = await one.page.textContent("h1");

  // Live: the first page renews itself, keeps its place, and stops when a person pauses it.
  one.place = "live";
  await one.page.goto(`${order.address}/console`);
  const renewed = () => one.page.waitForResponse((answer) => answer.url().endsWith("/console/live"), { timeout: 15_000 });
  facts.renews = (await renewed()).status();
  await one.page.click("[data-live-toggle]");
  facts.paused = await one.page.getAttribute("[data-live-toggle]", "aria-pressed");
  const going = renewed();
  await one.page.click("[data-live-toggle]");
  facts.goes_on = (await going).status();

  // Without script, forms and links are enough.
  const options = { viewport: { width: 1024, height: 800 }, javaScriptEnabled: false };
  const plain = await person(browser, order.address, wrong, options);
  plain.place = "without script";
  await plain.page.goto(`${order.address}/console`);
  await plain.page.fill("#key", order.key);
  await plain.page.press("#key", "Enter");
  await plain.page.waitForURL((url) => url.pathname === "/console");
  await plain.page.goto(`${order.address}/console/runs`);
  // Where there is no room, or the browser knows no better, the filters are folded.
  const fold = plain.page.locator("details.fold:not([open]) > summary");
  if (await fold.isVisible()) await fold.click();
  await plain.page.selectOption("#f-status", "FAILED");
  await Promise.all([
    plain.page.waitForURL((url) => url.searchParams.get("status") === "FAILED"),
    plain.page.click("form.filters button"),
  ]);
  facts.filtered = new URL(plain.page.url()).searchParams.get("status");
  facts.lines_without_script = await plain.page.locator("tbody tr").count();
}

if (order.away) {
  await ask("stop the database");
  viewers.forEach((one) => Object.assign(one, { isAway: true, mayFail: true, place: "banner" }));
  // A few failed calls tell an outage from a hiccup; only then the pages say it.
  const [{ page }] = viewers;
  const until = performance.now() + 30_000;
  do await page.goto(`${order.address}/console`);
  while (await page.locator(".notice.warn strong").count() === 0 && performance.now() < until);
  const held = order.pages.filter(([name]) => !(order.need_database ?? []).includes(name));
  await everywhere(held, async (one, [name, path]) => {
    const seen = await look(one, path, `${name}-away`);
    if (seen.banners === 0) one.add("banner", "none while the database is away");
  });
}
await browser.close();
end({ wrong, paints, facts, looked });
