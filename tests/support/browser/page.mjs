// Looks at report pages in Chromium, and prints what is wrong with them as JSON: node page.mjs ADDRESS…
import { axe, launch } from "./chromium.mjs";

const addresses = process.argv.slice(2);

// The policy of the page forbids its scripts, and with them timers, which the audit needs: it gets a copy without the policy.
async function audit(html, { width, colorScheme }, add) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  await page.setContent(html);
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await axe.run()).violations);
  found.forEach(({ id, nodes }) => add(id, nodes.map((node) => node.html)));
  await page.close();
}

const browser = await launch();

// All that is wrong with a page, the number of its cards, and whether its print is A4.
async function look(address) {
  const wrong = [];
  let cards = 0;
  for (const [width, colorScheme] of [[375, "light"], [820, "dark"], [1440, "light"]]) {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const add = (kind, what) => wrong.push({ width, colorScheme, kind, what });
    page.on("console", (message) => add("console", message.text()));
    page.on("pageerror", (error) => add("error", String(error)));
    page.on("request", (request) => request.url() === address || add("request", request.url()));
    await page.setExtraHTTPHeaders({ accept: "text/html" });
    const answer = await page.goto(address);
    const seen = await page.evaluate(() => ({
      overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      dead: [...document.links]
        .filter((link) => link.hash && link.href.split("#")[0] === location.href.split("#")[0])
        .map((link) => link.hash)
        .filter((hash) => !document.getElementById(hash.slice(1))),
      isStyled: getComputedStyle(document.querySelector(".card")).borderTopStyle === "solid",
      cards: document.querySelectorAll("article.opportunity").length,
    }));
    if (seen.overflow > 0) add("overflow", seen.overflow);
    if (!seen.isStyled) add("style", "the page has none");
    seen.dead.forEach((hash) => add("dead link", hash));
    cards = seen.cards;
    // The audit takes the longest: only the first page gets it, once in each scheme of colours.
    if (address === addresses[0] && width !== 1440) await audit(await answer.text(), { width, colorScheme }, add);
    await page.close();
  }
  const page = await browser.newPage();
  await page.setExtraHTTPHeaders({ accept: "text/html" });
  await page.goto(address);
  const pdf = await page.pdf({ preferCSSPageSize: true });
  await page.close();
  // A4 in points, as the PDF states it.
  const isA4 = /\/MediaBox \[0 0 59[45](\.\d+)? 84[12](\.\d+)?\]/.test(pdf.toString("latin1"));
  return { wrong, cards, isA4 };
}

const found = [];
for (const address of addresses) found.push(await look(address));
await browser.close();
console.log(JSON.stringify(found));
