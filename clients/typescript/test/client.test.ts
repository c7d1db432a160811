/** The client against the real service: `INNOVATION_URL`, `INNOVATION_KEY` and `DOCUMENT_URL` say where it is. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { InnovationError, answered, ended, innovationClient, submitBatch, submitRun } from '../src/index.js';

function given(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

const baseUrl = given('INNOVATION_URL');
const client = innovationClient({ baseUrl: `${baseUrl}/`, apiKey: given('INNOVATION_KEY') });
const request = { blob_url: given('DOCUMENT_URL'), company_id: 'decathlon', user_id: 'user_2abc' };

test('a run is begun, followed to its end and read in types', async () => {
  const body = { ...request, run_id: 'from-typescript' };
  const accepted = await submitRun(client, body);
  assert.equal(accepted.run_id, 'from-typescript');
  assert.equal(accepted.status_url, '/status/from-typescript');

  const status = await ended(client, accepted.run_id, { everyMs: 50, signal: AbortSignal.timeout(60_000) });
  assert.equal(status.status, 'complete');
  assert.equal(status.stages['4'].status, 'complete');
  const inspiration = status.stages['1'].output?.inspirations[0];
  assert.ok(inspiration && inspiration.id === 'I1' && inspiration.title.length > 0);
  assert.equal(inspiration.evidence[0]?.status, 'verbatim');
  assert.ok((status.stages['4'].output?.opportunities.length ?? 0) >= 3);
  assert.equal(status.stages['4'].output?.meta.stage, 4);

  const path = { run_id: accepted.run_id };
  const run = await answered(client.GET('/api/pipeline/{run_id}', { params: { path } }));
  assert.equal(run.run_status, 'COMPLETED');
  assert.ok(run.grounding !== null && run.can_retry === false);
  const report = await answered(
    client.GET('/api/pipeline/{run_id}/report', { params: { path }, parseAs: 'text' }),
  );
  assert.equal(report, run.report);

  const list = await answered(client.GET('/api/pipeline', { params: { query: { status: 'COMPLETED' } } }));
  assert.ok(list.runs.some((one) => one.run_id === accepted.run_id));
  assert.equal(list.pagination.page, 1);

  const deleted = await client.DELETE('/api/pipeline/{run_id}', { params: { path } });
  assert.equal(deleted.response.status, 204);
  const gone = answered(client.GET('/status/{run_id}', { params: { path } }));
  await assert.rejects(gone, (error: InnovationError) => error.status === 410 && error.code === 'run_deleted');
});

test('a batch begins a run for each brand', async () => {
  const brands = ['decathlon', 'lactalis-canada'];
  const { blob_url } = request;
  const batch = await submitBatch(client, { batch_id: 'batch-from-typescript', blob_url, brands });
  assert.deepEqual(
    batch.runs.map((run) => run.company_id),
    brands,
  );
  const path = { batch_id: batch.batch_id };
  const view = await answered(client.GET('/api/pipeline/batches/{batch_id}', { params: { path } }));
  assert.equal(view.totals.runs, 2);
});

test('a refusal is an error with its code', async () => {
  const refused = answered(client.POST('/run', { body: { ...request, blob_url: 'https://example.com/x' } }));
  await assert.rejects(refused, (error: unknown) => {
    assert.ok(error instanceof InnovationError);
    assert.deepEqual([error.status, error.code], [400, 'forbidden_url']);
    assert.equal(error.message, error.problem?.detail);
    return true;
  });
  const query = { page_size: 1_000 };
  const wrong = answered(client.GET('/api/pipeline', { params: { query } }));
  await assert.rejects(wrong, (error: InnovationError) => error.problem?.errors?.[0]?.field === 'page_size');
});

test('a key that is missing or wrong is said to be so', async () => {
  for (const [apiKey, code] of [[undefined, 'key_required'], ['no-such-key', 'invalid_api_key']] as const) {
    const stranger = innovationClient({ baseUrl, ...(apiKey === undefined ? {} : { apiKey }) });
    const refused = answered(stranger.GET('/api/pipeline'));
    await assert.rejects(refused, (error: InnovationError) => error.code === code);
  }
});

test('what asks for no key works without one', async () => {
  const stranger = innovationClient({ baseUrl });
  const health = await answered(stranger.GET('/health'));
  assert.ok(['healthy', 'degraded'].includes(health.status));
  const { brands } = await answered(stranger.GET('/brands'));
  assert.ok(brands.some((brand) => brand.id === 'decathlon' && brand.is_valid));
});
