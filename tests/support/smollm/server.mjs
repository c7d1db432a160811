// An endpoint that speaks OpenAI's wire format (POST /v1/chat/completions) in front of a real small model.
//
//   MODEL=model.gguf [DECODER=off] [LOG=requests.jsonl] node server.mjs
//
// Prints the address that it listens on, when the model is loaded. It answers one request after the other, on one thread:
// two on shared cores are twenty times slower. With DECODER=off it ignores response_format, as endpoints do that do not
// know it.
//
// Sources: platform.openai.com/docs/api-reference/chat (request, chunks, finish_reason, usage) and node-llama-cpp's guide
// on grammars. It knows none of the product's types.

import { createWriteStream } from "node:fs";
import { createServer } from "node:http";
import { getLlama, LlamaChatSession } from "node-llama-cpp";

// The model's own limit.
const CONTEXT_TOKENS = 8192;
// A model without a decoder may never end. Like small endpoints, this one ends it: finish_reason "length".
const ANSWER_TOKENS_MAX = { free: 300, bound: 3000 };
const BODY_BYTES_MAX = 1024 * 1024;
// A prompt takes its time before the first word, and a client gives up on a silent endpoint.
const HEARTBEAT_MS = 5000;
const STRING_BOUNDS = { minLength: 12, maxLength: 32 };
// How many the prompts ask for; all other lists hold one.
const LIST_LENGTHS = { inspirations: 2, trends: 2, lessons: 3, opportunities: 5 };

const llama = await getLlama({ gpu: false, build: "never", maxThreads: 1, logLevel: "error" });
const model = await llama.loadModel({ modelPath: process.env.MODEL });
const context = await model.createContext({ contextSize: CONTEXT_TOKENS, threads: 1 });
const log = process.env.LOG ? createWriteStream(process.env.LOG, { flags: "a" }) : undefined;

/** All that stands behind a pattern's first group, once each. */
const found = (text, pattern) => [...new Set([...text.matchAll(pattern)].map((match) => match[1]))];

/**
 * The decoder's own copy of a schema: short strings and lists, so that an answer takes seconds, and the ids and pages that
 * the prompt holds. A decoder of a larger model does without.
 */
function bounded(schema, prompt, name = "") {
  const inner = (part, of) => bounded(part, prompt, of);
  if (schema.enum) return { enum: schema.enum };
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return { oneOf: choices.map((choice) => inner(choice, name)) };
  if (Array.isArray(schema.type)) {
    return { oneOf: schema.type.map((type) => inner({ ...schema, type }, name)) };
  }
  switch (schema.type) {
    case "object": {
      const properties = Object.entries(schema.properties ?? {});
      return { type: "object", properties: Object.fromEntries(properties.map(([key, part]) => [key, inner(part, key)])) };
    }
    case "array": {
      const ids = schema.items.type === "string" ? found(prompt, new RegExp(`"(${name[0].toUpperCase()}\\d+)"`, "g")) : [];
      if (ids.length > 0) return { type: "array", items: { enum: ids }, minItems: 1, maxItems: 1 };
      const length = (schema.items.type === "object" && LIST_LENGTHS[name]) || 1;
      return { type: "array", items: inner(schema.items, name), minItems: length, maxItems: length };
    }
    case "integer": {
      const pages = found(prompt, /<<<PAGE (\d+) /g).map(Number);
      return pages.length > 0 ? { enum: pages } : { type: "integer" };
    }
    case "string":
      return { type: "string", ...STRING_BOUNDS };
    case "number":
    case "boolean":
    case "null":
      return { type: schema.type };
    default:
      // As strict endpoints say it.
      throw new Error(`Invalid schema for response_format: in '${name}', schema must have a 'type' key.`);
  }
}

async function grammarFor(format, prompt) {
  if (process.env.DECODER === "off") return undefined;
  switch (format?.type) {
    case "json_schema":
      return llama.createGrammarForJsonSchema(bounded(format.json_schema.schema, prompt));
    case "json_object":
      return llama.getGrammarFor("json");
    default:
      return undefined;
  }
}

const textOf = (content) => (typeof content === "string" ? content : content.map((part) => part.text).join("\n\n"));

/** The messages of a request, and what holds its answer. */
async function understood(body) {
  const text = (role) => body.messages.filter((message) => message.role === role).map((message) => textOf(message.content));
  const [system, prompt] = [text("system").join("\n\n"), text("user").join("\n\n")];
  return { system, prompt, grammar: await grammarFor(body.response_format, prompt) };
}

/** Has the model answer; `onText` gets each piece. */
async function answer(body, { system, prompt, grammar }, signal, onText) {
  const asked = body.max_completion_tokens ?? body.max_tokens ?? Infinity;
  const sequence = context.getSequence();
  try {
    const session = new LlamaChatSession({ contextSequence: sequence, systemPrompt: system });
    const { responseText, stopReason } = await session.promptWithMeta(prompt, {
      grammar,
      maxTokens: Math.min(asked, grammar ? ANSWER_TOKENS_MAX.bound : ANSWER_TOKENS_MAX.free),
      temperature: 0.3,
      seed: 7,
      // Else a small model repeats itself until the end.
      repeatPenalty: { penalty: 1.2, lastTokens: 64 },
      signal,
      stopOnAbortSignal: true,
      onTextChunk: onText,
    });
    return {
      text: responseText,
      finish: stopReason === "maxTokens" ? "length" : "stop",
      usage: {
        prompt_tokens: model.tokenize(system).length + model.tokenize(prompt).length,
        completion_tokens: model.tokenize(responseText).length,
      },
    };
  } finally {
    sequence.dispose();
  }
}

async function complete(body, response) {
  const began = Date.now();
  const asked = await understood(body);
  const hangUp = new AbortController();
  response.on("close", () => hangUp.abort());
  const base = { id: `chatcmpl-${began}`, created: Math.floor(began / 1000), model: body.model };
  const chunk = (delta, finish_reason = null) => {
    const choices = [{ index: 0, delta, finish_reason }];
    return `data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices })}\n\n`;
  };
  if (body.stream) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chunk({ role: "assistant", content: "" }));
  }
  const onText = (content) => body.stream && response.write(chunk({ content }));
  const heartbeat = setInterval(() => body.stream && response.write(": the model is at work\n\n"), HEARTBEAT_MS);
  const answered = answer(body, asked, hangUp.signal, onText).finally(() => clearInterval(heartbeat));
  const { text, finish, usage } = await answered;
  usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
  const format = body.response_format?.type ?? "text";
  log?.write(`${JSON.stringify({ format, finish, ...usage, milliseconds: Date.now() - began })}\n`);
  if (body.stream) {
    response.write(chunk({}, finish));
    response.write(`data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices: [], usage })}\n\n`);
    response.end("data: [DONE]\n\n");
  } else {
    const choices = [{ index: 0, message: { role: "assistant", content: text }, finish_reason: finish }];
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ ...base, object: "chat.completion", choices, usage }));
  }
}

function refuse(response, status, message) {
  if (response.headersSent) return response.destroy();
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code: null } }));
}

async function bodyOf(request) {
  const pieces = [];
  let bytes = 0;
  for await (const piece of request) {
    bytes += piece.length;
    if (bytes > BODY_BYTES_MAX) throw new Error("the body is too large");
    pieces.push(piece);
  }
  const body = JSON.parse(Buffer.concat(pieces).toString("utf8"));
  if (!Array.isArray(body.messages) || typeof body.model !== "string") throw new Error("model and messages are required");
  return body;
}

// The context holds one conversation.
let last = Promise.resolve();
const server = createServer(async (request, response) => {
  if (request.method !== "POST" || request.url !== "/v1/chat/completions") return refuse(response, 404, "Not Found");
  try {
    const body = await bodyOf(request);
    last = last.then(() => complete(body, response)).catch((error) => {
      if (!response.destroyed) console.error(error);
      refuse(response, 400, String(error.message));
    });
  } catch (error) {
    refuse(response, 400, String(error.message));
  }
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/v1`));
