// OpenFeature's own web client, which asks the service for a flag: node client.mjs ADDRESS KEY FLAG TARGETING_KEY
// Prints one line of JSON when it is ready, and one after each change that it hears of.
import { OFREPApi } from "@openfeature/ofrep-core";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";

const [baseUrl, key, flag, targetingKey] = process.argv.slice(2);
const headers = [["x-api-key", key]];

// Node.js has no EventSource yet. This one also sends the key, which a browser's cannot.
globalThis.EventSource = class extends EventTarget {
  #abort = new AbortController();

  constructor(url) {
    super();
    this.#read(url).catch((error) => this.#abort.signal.aborted || this.#end(String(error)));
  }

  async #read(url) {
    const response = await fetch(url, { headers, signal: this.#abort.signal });
    if (response.status !== 200) return this.#end(`status ${response.status}`);
    this.dispatchEvent(new Event("open"));
    const decoder = new TextDecoder();
    let unread = "";
    for await (const piece of response.body) {
      unread += decoder.decode(piece, { stream: true });
      const blocks = unread.split("\n\n");
      unread = blocks.pop();
      for (const block of blocks) {
        const data = block.split("\n").find((line) => line.startsWith("data: "))?.slice(6);
        if (data) this.dispatchEvent(Object.assign(new Event("message"), { data }));
      }
    }
  }

  #end(reason) {
    console.error(reason);
    this.readyState = 2;
    this.dispatchEvent(new Event("error"));
  }

  close() {
    this.#abort.abort();
  }
};

await OpenFeature.setContext({ targetingKey });
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl, headers, cacheMode: "disabled" }));
const client = OpenFeature.getClient();

async function show(event) {
  const { value, reason, variant, errorCode, flagMetadata } = client.getBooleanDetails(flag, false);
  const alone = await new OFREPApi({ baseUrl, headers }).postEvaluateFlag(flag, { context: { targetingKey } });
  const unknown = client.getBooleanDetails("NO_SUCH_FLAG", true);
  console.log(JSON.stringify({
    event, value, reason, variant, errorCode, source: flagMetadata?.source,
    alone: alone.value?.value, unknown: unknown.errorCode,
  }));
}

client.addHandler(ProviderEvents.ConfigurationChanged, () => show("changed"));
await show("ready");
// The end of its input is its end.
process.stdin.on("end", () => process.exit(0)).resume();
