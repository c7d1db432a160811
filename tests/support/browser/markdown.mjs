// Reads Markdown as GitHub's renderers do, and prints how often each kind of node stands in the syntax tree and in the tree of
// HTML, for each file: node markdown.mjs FILE…
import { readFileSync } from "node:fs";
import rehypeRaw from "rehype-raw";
import remarkGfm from "remark-gfm";
import remarkParse from "remark-parse";
import remarkRehype from "remark-rehype";
import { unified } from "unified";

const markdown = unified().use(remarkParse).use(remarkGfm);
// Dangerous: raw HTML becomes elements, so that the test sees what a careless renderer would show.
const html = unified().use(remarkRehype, { allowDangerousHtml: true }).use(rehypeRaw);

function count(node, name, counts = {}) {
  const key = name(node);
  counts[key] = (counts[key] ?? 0) + 1;
  for (const child of node.children ?? []) count(child, name, counts);
  return counts;
}

const found = [];
for (const file of process.argv.slice(2)) {
  const tree = await markdown.run(markdown.parse(readFileSync(file, "utf8")));
  const hast = await html.run(structuredClone(tree));
  // Neighbouring texts may be one node or two.
  const of = { ...count(tree, (node) => node.type), ...count(hast, (node) => `<${node.tagName ?? node.type}>`) };
  delete of.text;
  delete of["<text>"];
  found.push(of);
}
console.log(JSON.stringify(found));
