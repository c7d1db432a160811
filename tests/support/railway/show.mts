// Prints what a railway.ts defines, as JSON.

import { pathToFileURL } from "node:url";
import { createRailwayContext, project } from "railway/iac";

const [file] = process.argv.slice(2);
const { default: program } = await import(pathToFileURL(file).href);
const context = createRailwayContext({ command: "plan", environment: "production" });
console.log(JSON.stringify(await program(context, project)));
