// Chromium as the tests of pages use it: its start, the people in front of it, and the words with the other side.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

// The text of axe, which looks for what a page withholds from people who cannot see it or use no mouse.
export const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// In a container, the tests run as root and without user namespaces, where Chromium has no sandbox of its own.
export function launch() {
  const program = process.env.CHROMIUM ?? process.env.PATH.split(delimiter)
    .flatMap((folder) => ["chromium", "chromium-browser", "google-chrome"].map((name) => join(folder, name)))
    .find((path) => existsSync(path));
  if (!program) throw new Error("Chromium is missing: run `make setup`");
  return chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
}

// Asks the other side to do something, as a line {"ask": what}, and waits for its answer.
export function dialogue() {
  const input = createInterface({ input: process.stdin });
  const answers = input[Symbol.asyncIterator]();
  return {
    async ask(what) {
      console.log(JSON.stringify({ ask: what }));
      await answers.next();
    },
    end(seen) {
      input.close();
      console.log(JSON.stringify(seen));
    },
  };
}

// A browser of a person. The list `wrong` collects its errors under the place that it looks at.
export async function person(browser, address, wrong, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const one = { page, place: "" };
  one.add = (kind, what) => wrong.push({ place: one.place, kind, what: String(what).slice(0, 300) });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !one.mayFail) one.add("console", message.text());
  });
  page.on("pageerror", (error) => one.add("error", error));
  page.on("request", (request) => {
    const isOwn = request.url().startsWith(address) || request.url().startsWith("data:");
    if (!isOwn) one.add("foreign request", request.url());
  });
  return one;
}

// Signs in with keys alone: the page gives its field the focus.
export async function signIn(one, address, key) {
  one.place = "login";
  await one.page.goto(`${address}/console`);
  await one.page.waitForFunction(() => document.activeElement?.id === "key");
  await one.page.keyboard.type(key);
  await one.page.keyboard.press("Enter");
  await one.page.waitForURL((url) => url.pathname === "/console");
}

// A picture of the whole page as WebP, which takes half the room of a PNG: Chromium itself converts it, on a page without a policy.
export async function picture(browser, page) {
  const png = (await page.screenshot({ fullPage: true })).toString("base64");
  const painter = await browser.newPage();
  const address = await painter.evaluate(async (png) => {
    const image = new Image();
    image.src = `data:image/png;base64,${png}`;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.9);
  }, png);
  await painter.close();
  return Buffer.from(address.split(",")[1], "base64");
}
