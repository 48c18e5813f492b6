// Recorded runs of any size, always the same for the same size: what the
// command report renders for the test.

const started = Date.UTC(2026, 10, 30, 8, 15, 0);

function random(seed) {
  return () => {
    seed = (seed * 1664525 + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

const areas = ['orders', 'invoices', 'partners', 'deliveries', 'payments', 'master-data', 'edi/inbound', 'edi/outbound'];
const subjects = ['Order intake', 'Order change', 'Invoice to archive', 'Partner lookup', 'Delivery note as IDoc', 'Price list', 'Returns', 'Stock level'];
const cases = ['accepts a complete document', 'refuses an unknown field', 'is idempotent', 'answers with an error number', 'keeps the order of items', 'maps currencies'];
const host = 'https://tenant-runtime.it-cpi018-rt.cfapps.eu10-003.hana.ondemand.com';

// run gives the lines of a run with so many scenarios of one step each, or of
// several when steps is set.
export function* run(size, steps = 1) {
  const next = random(size);
  let clock = started;
  const base = () => ({ time: new Date(clock).toISOString(), run: 'k3f9qa' });
  const counts = { total: 0, passed: 0, failed: 0, errors: 0, skipped: 0, flaky: 0 };
  const stepCounts = { ...counts };
  yield { event: 'run-start', ...base(), info: { version: '1.4.0', environment: 'qa-eu10', hosts: [new URL(host).host, 'tenant.authentication.eu10.hana.ondemand.com'], tags: 'nightly && !slow', seed: 4711, scenarios: size, warnings: size === 1 ? [] : ['TLS certificates are not verified: tls.insecure is set'] } };
  const perFile = size > 1000 ? 40 : 8;
  for (let i = 0; i < size; i++) {
    const area = areas[Math.floor(i / perFile) % areas.length];
    const file = `scenarios/${area}/${subjects[Math.floor(i / perFile) % subjects.length].toLowerCase().replaceAll(' ', '-')}-${Math.floor(i / perFile) + 1}.yaml`;
    const rows = size > 100 && Math.floor(i / perFile) % 10 === 9;
    let name = rows ? `${subjects[Math.floor(i / perFile) % subjects.length]} for every sales organisation` : `${subjects[Math.floor(i / perFile) % subjects.length]} ${cases[i % cases.length]}`;
    if (i === 11) name = 'اختبار الطلبات مع أصناف متعددة وعناوين طويلة';
    if (i === 12) name = '注文の受付：明細行が百を超える場合でも、確認応答は元の順序で返される';
    if (i === 13) name = `A name that somebody made from a whole sentence because the ticket said so, with/slashes/and_underscores_that_never_break_${'x'.repeat(60)} and <b>markup</b> & "quotes"`;
    const id = { scenario: name, scenarioId: i + 1, file, ...(perFile > 1 && { document: name.toLowerCase().replaceAll(/[^a-z]+/g, '-') }), ...(rows && { row: `DE${String(10 + (i % perFile)).padStart(2, '0')}-A-${100 + i}`, rowIndex: (i % perFile) + 1, document: 'rows' }) };
    const bad = size === 1 ? 'fail' : next() < 0.985 ? '' : ['fail', 'fail', 'error', 'skip', 'flaky'][Math.floor(next() * 5)];
    const began = clock;
    yield { event: 'scenario-start', ...base(), ...id, line: 1, column: 1, tags: [['smoke', 'nightly'][i % 2], area.split('/')[0]], ...(rows && { rows: perFile }) };
    const wanted = Math.max(steps, size === 1 ? 4 : bad === 'fail' ? 3 : 1);
    let stopped = false;
    for (let k = 1; k <= wanted; k++) {
      const step = { ...id, step: ['creates the order', 'is processed by the flow', 'reads the confirmation', 'removes what it made'][(k - 1) % 4], index: k, kind: 'call', file, line: 10 + 6 * k, column: 5, ...(k === 4 && { cleanup: true }) };
      const outcome = bad === 'skip' || (stopped && k !== 4) ? 'skip' : bad === 'fail' && k === Math.min(2, wanted) ? 'fail' : bad === 'error' && k === 1 ? 'error' : 'pass';
      stepCounts.total++;
      if (outcome === 'skip') {
        stepCounts.skipped++;
        yield { event: 'step-end', ...base(), ...step, outcome, reason: stopped ? 'the step "is processed by the flow" did not pass' : 'waits for the release of the new mapping' };
        continue;
      }
      yield { event: 'step-start', ...base(), ...step };
      const timings = { dns: k === 1 && i % 50 === 0 ? 4.2 : 0, connect: k === 1 && i % 50 === 0 ? 18.4 : 0, tls: k === 1 && i % 50 === 0 ? 31.7 : 0, wait: Math.round(next() * 4000) / 10 + 12, body: Math.round(next() * 80) / 10 };
      const ms = Object.values(timings).reduce((a, b) => a + b, 0);
      const exchange = { method: k === 3 ? 'GET' : k === 4 ? 'DELETE' : 'POST', url: `${host}/http/${area}/v2/documents${k > 2 ? '/4500012345' : ''}`, status: outcome === 'error' ? 0 : 200, timings };
      if (bad === 'flaky' && k === 1) {
        clock += 900;
        yield { event: 'attempt', ...base(), ...step, attempts: 1, outcome: 'fail', durationMs: 880, failures: [{ code: 'assertion', message: 'status: want 200, got 503' }], exchange: { ...exchange, status: 503 } };
      }
      clock += Math.ceil(ms);
      const end = { event: 'step-end', ...base(), ...step, outcome, durationMs: ms, attempts: bad === 'flaky' ? 2 : 1, exchange };
      if (bad === 'flaky' && k === 1) { end.flaky = true; stepCounts.flaky++; end.durationMs += 900; }
      if (outcome === 'fail') {
        stopped = true;
        stepCounts.failed++;
        end.failures = failures(file);
        end.exchange = { ...exchange, ...bodies() };
      } else if (outcome === 'error') {
        stopped = true;
        stepCounts.errors++;
        end.attempts = 3;
        end.error = { type: 'network', message: `POST ${new URL(host).host}: connection refused`, cure: 'check the host and the port of the target' };
      } else stepCounts.passed++;
      yield end;
    }
    const outcome = bad === 'flaky' || bad === '' ? 'pass' : bad;
    counts.total++;
    counts[{ pass: 'passed', fail: 'failed', error: 'errors', skip: 'skipped' }[outcome]]++;
    if (bad === 'flaky') counts.flaky++;
    yield { event: 'scenario-end', ...base(), ...id, line: 1, column: 1, outcome, durationMs: clock - began, ...(bad === 'flaky' && { flaky: true }), ...(bad === 'skip' && { reason: 'waits for the release of the new mapping' }) };
  }
  const broken = counts.errors > 0 ? 5 : counts.failed > 0 ? 1 : 0;
  yield { event: 'run-end', ...base(), durationMs: clock - started, summary: { scenarios: counts, steps: stepCounts, exitStatus: broken, exitReason: ['', 'an assertion failed', '', '', '', 'could not find out: network, TLS, a time limit, or an answer that did not arrive whole'][broken], ...(size > 1 && { leftBehind: ['service instance iflowtest-k3f9qa-1'], cleanupCommand: 'iflowtest cleanup --run k3f9qa' }) } };
}

function failures(file) {
  return [
    { file, line: 24, column: 9, width: 11, source: '        items.0.sku: A-100', code: 'assertion', subject: 'json', path: 'items.0.sku', operator: 'equals', want: '"A-100"', got: 'nothing', message: 'json items.0.sku: want "A-100", got nothing', notes: ['items exists and has 0 elements'] },
    { file, line: 26, column: 7, width: 4, source: '      body: {file: expected/order.json}', code: 'assertion', subject: 'body', operator: 'equals', want: 'the content of expected/order.json', got: 'another document', message: 'body differs from expected/order.json', diff: ' {\n   "order": "4500012345",\n-  "currency": "EUR",\n+  "currency": "USD",\n   "items": [\n-    {"sku": "A-100", "quantity": 3}\n   ]\n }\n' },
  ];
}

function bodies() {
  return {
    requestHeaders: [{ name: 'Authorization', value: 'Bearer ***(sender.token)' }, { name: 'Content-Type', value: 'application/json' }, { name: 'User-Agent', value: 'iflowtest/1.4.0' }],
    requestBody: '{"order":"4500012345","currency":"EUR","items":[{"sku":"A-100","quantity":3}]}', requestBodySize: 78,
    headers: [{ name: 'Content-Type', value: 'application/json; charset=utf-8' }, { name: 'Date', value: 'Mon, 30 Nov 2026 08:15:02 GMT' }, { name: 'SAP_MessageProcessingLogID', value: 'AGpyQkFzY2lpV0hZb2x1bWVu' }, { name: 'Set-Cookie', value: '***(cookie __VCAP_ID__)' }],
    body: '{"order":"4500012345","currency":"USD","items":[],"messages":[{"severity":"warning","text":"the price list of customer 4711 is older than 90 days"}]}', bodySize: 149,
    messageId: 'AGpyQkFzY2lpV0hZb2x1bWVu',
    curl: `curl -X POST '${host}/http/orders/v2/documents' -H 'Authorization: Bearer $SENDER_TOKEN' -H 'Content-Type: application/json' --data '{"order":"4500012345","currency":"EUR"}'`,
  };
}
