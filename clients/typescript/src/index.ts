/** A typed client of innovation-pipeline's HTTP API. `schema.ts` is generated; see the README. */
import createClient, { type Client } from 'openapi-fetch';
import type { components, paths } from './schema.js';

export type { components, paths } from './schema.js';

type Schemas = components['schemas'];
export type Problem = Schemas['Problem'];
export type RunRequest = Schemas['RunRequest'];
export type BatchRequest = Schemas['BatchRequest'];
export type Accepted = Schemas['Accepted'];
export type AcceptedBatch = Schemas['AcceptedBatch'];
export type Status = Schemas['Status'];
export type RunDetail = Schemas['RunDetail'];
export type RunList = Schemas['RunList'];
/** The data of each event of `/api/pipeline/{run_id}/events`. */
export type RunEvent = Schemas['RunEvent'];

export interface Options {
  /** Where the service is, such as `https://service.up.railway.app`. */
  baseUrl: string;
  /** One of `BACKEND_API_KEYS`. */
  apiKey?: string;
  /** Another `fetch`, such as one that a framework has. */
  fetch?: (request: Request) => Promise<Response>;
}

/** Every operation, by method and path: `client.GET('/api/pipeline/{run_id}', { params: { path: { run_id } } })`. */
export function innovationClient(options: Options): Client<paths> {
  const headers: Record<string, string> = {};
  if (options.apiKey !== undefined) headers['authorization'] = `Bearer ${options.apiKey}`;
  return createClient<paths>({
    baseUrl: options.baseUrl.replace(/\/+$/, ''),
    headers,
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  });
}

/** The service's refusal. `code` is stable; `problem` is missing where something else than the service answered. */
export class InnovationError extends Error {
  override readonly name = 'InnovationError';
  readonly status: number;
  readonly code: string;
  readonly problem: Problem | undefined;
  /** Seconds after which the same request may work. */
  readonly retryAfter: number | undefined;

  constructor(response: Response, body: unknown) {
    const problem = isProblem(body) ? body : undefined;
    super(problem?.detail ?? `the service answered ${response.status}`);
    this.status = response.status;
    this.code = problem?.code ?? 'unknown';
    this.problem = problem;
    const retryAfter = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
    this.retryAfter = Number.isNaN(retryAfter) ? undefined : retryAfter;
  }
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'code' in body && 'detail' in body;
}

/** The body of an answer, or the refusal as an {@link InnovationError}. */
export async function answered<T>(
  answer: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<NonNullable<T>> {
  const { data, error, response } = await answer;
  if (!response.ok || data === undefined || data === null) throw new InnovationError(response, error);
  return data;
}

/** Submits a run of one brand. */
export async function submitRun(client: Client<paths>, body: RunRequest): Promise<Accepted> {
  const accepted = await answered(client.POST('/run', { body }));
  if ('batch_id' in accepted) throw new TypeError('the service answered with a batch');
  return accepted;
}

/** Submits one document for several brands: all runs are accepted, or none. */
export async function submitBatch(client: Client<paths>, body: BatchRequest): Promise<AcceptedBatch> {
  const accepted = await answered(client.POST('/run', { body }));
  if (!('batch_id' in accepted)) throw new TypeError('the service answered with a run');
  return accepted;
}

/** Asks until a run has ended; both ends, complete and failed, are answers. */
export async function ended(
  client: Client<paths>,
  runId: string,
  { everyMs = 2_000, signal }: { everyMs?: number; signal?: AbortSignal } = {},
): Promise<Status> {
  for (;;) {
    const path = { run_id: runId };
    const status = await answered(
      client.GET('/status/{run_id}', { params: { path }, ...(signal === undefined ? {} : { signal }) }),
    );
    if (status.status !== 'running') return status;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
    signal?.throwIfAborted();
  }
}
