// Gates an OpenID provider by a third party. `make oidc` runs it.
//
//   IFLOWTEST   the program (make builds it)
//   OUTPUT      all: show what the program printed, whatever it was

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const skip = why => {
  console.log(`SKIP the OpenID provider: ${why}`);
  process.exit(process.env.CI_OIDC === 'required' ? 1 : 0);
};

let Provider, certificates, serve;
try {
  ({ Provider } = await import('oidc-provider'));
  certificates = await import('./certificates.mjs');
  ({ serve } = await import('./provider.mjs'));
} catch (e) {
  if (e.code !== 'ERR_MODULE_NOT_FOUND' || e.message.includes('.mjs\' imported')) throw e;
  skip(`the packages of package.json are not installed (${e.message.split('\n')[0]})`);
}
const program = process.env.IFLOWTEST ?? skip('IFLOWTEST does not name the program');

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'iflowtest-oidc-'));
const file = (name, text) => { fs.writeFileSync(path.join(work, name), text, { mode: 0o600 }); return name; };
const yaml = value => JSON.stringify(value, null, 2); // JSON is YAML

// The parties. IDs and secrets look like those of the platform.
const { authority, thumbprint, encrypted } = certificates;
const trusted = authority('Authority of the test');
const stranger = authority('Authority of somebody else');
const owned = trusted.client('orders');
const another = trusted.client('invoices');
const foreign = stranger.client('orders');
const alone = trusted.selfSigned('alone');
const secrets = { body: 'b0dy-S3cret$k+L%41m=/x', header: 'h3ader-S3cret$qRs=/y', wrong: 'wr0ng-S3cret$tUv=/z', password: 'p4ssword-of-the-key' };
const ids = { body: 'sb-body!b17|it-rt-acme!b9', header: 'sb-header!b18|it-rt-acme!b9', mutual: 'sb-mutual!b19|it-rt-acme!b9', alone: 'sb-alone!b20|it-rt-acme!b9', people: 'sb-people!b21' };

const provider = await serve(Provider, {
  tls: trusted.server('localhost'),
  clientCA: trusted.cert,
  clients: [
    { id: ids.body, secret: secrets.body, method: 'client_secret_post' },
    { id: ids.header, secret: secrets.header, method: 'client_secret_basic' },
    { id: ids.mutual, method: 'tls_client_auth', dn: 'CN=orders,O=iflowtest', bound: true },
    { id: ids.alone, method: 'self_signed_tls_client_auth', cert: alone.cert, bound: true },
    { id: ids.people, secret: secrets.body, method: 'client_secret_post', grants: ['authorization_code'] },
  ],
});

file('ca.pem', trusted.cert);
file('stranger.pem', stranger.cert);
for (const [name, c] of Object.entries({ owned, another, foreign, alone })) {
  file(`${name}.pem`, c.cert);
  file(`${name}.key`, c.key);
}
file('owned.encrypted.key', encrypted(owned.key, secrets.password));

const at = `${provider.url}/token`;
const scope = 'ESBMessaging.send Orders.read';
const kinds = {
  body: { 'token-url': at, 'client-id': ids.body, 'client-secret': '${env.BODY_SECRET}', scope },
  header: { 'token-url': at, 'client-id': ids.header, 'client-secret': '${env.HEADER_SECRET}', 'auth-style': 'header', scope },
  mutual: { 'token-url': at, 'client-id': ids.mutual, certificate: 'owned.pem', key: 'owned.key', scope },
  alone: { 'token-url': at, 'client-id': ids.alone, certificate: 'alone.pem', key: 'alone.key', scope },
};
const surroundings = (credentials, ca = 'ca.pem') => yaml({ target: { tls: { ca } }, credentials });

const env = {
  PATH: process.env.PATH, HOME: work, NO_PROXY: '*',
  BODY_SECRET: secrets.body, HEADER_SECRET: secrets.header, WRONG_SECRET: secrets.wrong, KEY_PASSWORD: secrets.password,
};

// iflowtest runs the program: the provider answers meanwhile. Nothing that it
// prints or writes may hold a secret.
const hidden = [...Object.values(secrets), ...[owned, another, foreign, alone].map(c => c.key.split('\n')[3])]
  .flatMap(s => [s, Buffer.from(s).toString('base64'), encodeURIComponent(s)])
  .concat(Object.entries({ [ids.body]: secrets.body, [ids.header]: secrets.header }).map(([id, s]) => Buffer.from(`${id}:${s}`).toString('base64')));
const clean = (text, where) => {
  for (const s of hidden) assert.ok(!text.includes(s), `a secret is in ${where}`);
  assert.doesNotMatch(text, /eyJ[\w-]{20,}\.eyJ/, `a token is in ${where}`);
};

async function iflowtest(...args) {
  const lines = path.join(work, 'events.jsonl');
  const junit = path.join(work, 'TEST.xml');
  fs.rmSync(lines, { force: true });
  fs.rmSync(junit, { force: true });
  const child = spawn(program, [...args, '--json', lines, '--junit', junit, '--color', 'never', '-v'], { cwd: work, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 90_000, killSignal: 'SIGKILL' });
  let output = '';
  child.stdout.on('data', d => { output += d; });
  child.stderr.on('data', d => { output += d; });
  const status = await new Promise((resolve, reject) => { child.once('error', reject); child.once('close', resolve); });
  if (process.env.OUTPUT === 'all') console.log(`$ iflowtest ${args.join(' ')}\n${output}(${status})\n`);
  clean(output, 'the output');
  const read = name => (fs.existsSync(name) ? fs.readFileSync(name, 'utf8') : '');
  clean(read(lines), 'the JSON lines');
  clean(read(junit), 'the JUnit report');
  const events = read(lines).split('\n').filter(Boolean).map(l => JSON.parse(l));
  return { status, output, events };
}

// steps gives the outcome of each step, by scenario and name.
const steps = events => Object.fromEntries(events.filter(e => e.event === 'step-end').map(e => [`${e.scenario}: ${e.step}`, e.outcome]));

const has = (r, ...texts) => {
  for (const t of texts) {
    if (t instanceof RegExp) assert.match(r.output, t);
    else assert.ok(r.output.includes(t), `wanted ${JSON.stringify(t)} in\n${r.output}`);
  }
};

async function gate(credentials, { status, says = [], args = [], ca } = {}) {
  file('environment.yaml', surroundings(credentials, ca));
  const r = await iflowtest('gate', '-e', './environment.yaml', ...args);
  assert.equal(r.status, status, `exit status ${r.status}, wanted ${status}\n${r.output}`);
  has(r, ...says);
  return r;
}

async function run(scenario, { status, says = [] }) {
  file('scenario.yaml', yaml(scenario));
  file('environment.yaml', surroundings(kinds));
  const r = await iflowtest('run', '-e', './environment.yaml', 'scenario.yaml');
  assert.equal(r.status, status, `exit status ${r.status}, wanted ${status}\n${r.output}`);
  has(r, ...says);
  return r;
}

// one is a credential of a kind with something else in it.
const one = (kind, change = {}) => ({ key: { ...kinds[kind], ...change } });
const resource = uri => ({ params: { resource: uri } });

const cases = [];
const test = (name, body) => cases.push({ name, body });

test('it is a provider by the book', async () => {
  const { default: https } = await import('node:https');
  const get = p => new Promise((resolve, reject) => https.get(provider.url + p, { ca: trusted.cert }, r => {
    let text = '';
    r.on('data', d => { text += d; }).on('end', () => resolve(JSON.parse(text)));
  }).on('error', reject));
  const c = await get('/.well-known/openid-configuration');
  assert.equal(c.issuer, provider.url);
  assert.equal(c.token_endpoint, at);
  assert.ok(c.grant_types_supported.includes('client_credentials'));
  assert.ok(c.tls_client_certificate_bound_access_tokens);
  assert.equal((await get(new URL(c.jwks_uri).pathname)).keys.length, 2);
});

test('gate: every way to sign in, and a wrong secret or certificate is refused', async () => {
  provider.state.asked.clear();
  provider.state.methods.length = 0;
  const r = await gate(kinds, { status: 0, args: ['--negative', '--scope', 'ESBMessaging.send', '--scope', 'Orders.read', '--expect-audience', 'https://flows.example/', '--min-lifetime', '59m', '--min-days', '30'] });
  const found = steps(r.events);
  for (const [kind, checks] of Object.entries({ body: 'token negative', header: 'token negative', mutual: 'token impostor certificate', alone: 'token impostor certificate' })) {
    for (const c of checks.split(' ')) {
      const name = { token: 'a token is granted', negative: 'a wrong secret is refused', impostor: 'a wrong certificate is refused', certificate: 'the certificate holds' }[c];
      assert.equal(found[`${kind}: ${name}`], 'pass', `${kind}: ${name}`);
    }
    assert.equal(found[`${kind}: the signature of the token holds`], 'pass');
    assert.equal(found[`${kind}: the scopes are granted`], 'pass');
  }
  // Four tokens, two wrong secrets and two wrong certificates; keys and
  // configuration once for all.
  assert.equal(provider.state.asked.get('/token'), 8);
  assert.equal(provider.state.asked.get('/jwks'), 1);
  assert.equal(provider.state.asked.get('/.well-known/openid-configuration'), 1);
  assert.deepEqual(provider.state.methods.sort(), ['body', 'body', 'body', 'body', 'body', 'body', 'header', 'header']);
});

for (const kind of ['body', 'header']) {
  test(`gate: a wrong secret in the ${kind}`, () => gate(one(kind, { 'client-secret': '${env.WRONG_SECRET}' }), {
    status: 6, says: ['refuses client ID or secret (401 invalid_client', 'if the key was deleted or rotated, create a new one'],
  }));
}

test('gate: an unknown client', () => gate(one('body', { 'client-id': 'sb-gone!b1' }), { status: 6, says: ['refuses client ID or secret (401 invalid_client'] }));

// The provider says invalid_request, where RFC 6749 has unauthorized_client.
test('gate: a client that may not use client_credentials', () => gate(one('body', { 'client-id': ids.people }), {
  status: 6, says: ['400 invalid_request: "requested grant type is not allowed for this client"'],
}));

// The provider grants a token without the scope, and says nothing of it.
test('gate: a scope that the provider does not know', () => gate(one('body', { scope: 'Orders.approve' }), {
  status: 6, args: ['--scope', 'Orders.approve'], says: ['the token lacks the scope "Orders.approve"', 'granted are none'],
}));

test('gate: a scope that was not granted', () => gate(one('body', { scope: 'Orders.read' }), {
  status: 6, args: ['--scope', 'ESBMessaging.send'], says: ['the token lacks the scope "ESBMessaging.send"', '"Orders.read"'],
}));

test('gate: another audience', () => gate(one('body'), { status: 6, args: ['--expect-audience', 'https://other.example/'], says: ['the audience of the token is "https://flows.example/"'] }));

test('gate: a tenant, of which such a token says nothing', () => gate(one('body'), { status: 6, args: ['--expect-tenant', 'acme'], says: ['no zid and no zdn'] }));

test('gate: a token that lives too short', () => gate(one('body', resource('https://short.example/')), { status: 6, says: ['the token lives 5s; at least 1m is wanted'] }));

for (const [uri, alg] of [['https://pss.example/', 'PS256'], ['https://elliptic.example/', 'ES256']]) {
  test(`gate: a token signed with ${alg}`, () => gate(one('header', resource(uri)), { status: 0, args: ['--expect-audience', uri] }));
}

test('gate: a token signed with a shared secret', () => gate(one('body', resource('https://shared.example/')), { status: 6, says: ['the algorithm "HS256" is refused'] }));

test('gate: an opaque token', () => gate(one('body', resource('https://opaque.example/')), { status: 6, says: ['the token is not a JWT'] }));

test('gate: the published keys are others than those that sign', async () => {
  provider.forge();
  try {
    await gate(one('body'), { status: 6, says: ['the signature does not match the key "rsa"', 'do not use what this token server grants'] });
    await gate(one('header', resource('https://elliptic.example/')), { status: 6, says: ['the signature does not match the key "ec"'] });
  } finally {
    provider.restore();
  }
});

test('gate: an encrypted private key', async () => {
  await gate(one('mutual', { key: 'owned.encrypted.key', 'key-password': '${env.KEY_PASSWORD}' }), { status: 0 });
  await gate(one('mutual', { key: 'owned.encrypted.key' }), { status: 3, says: ['the private key is encrypted, and no password is given'] });
});

test('gate: the certificate of another client', () => gate(one('mutual', { certificate: 'another.pem', key: 'another.key' }), { status: 6, says: ['refuses client ID or certificate (401 invalid_client'] }));

test('gate: the certificate of an authority that the provider does not know', () => gate(one('mutual', { certificate: 'foreign.pem', key: 'foreign.key' }), { status: 6, says: ['invalid_client'] }));

test('gate: a certificate that was not registered', () => gate(one('alone', { certificate: 'owned.pem', key: 'owned.key' }), { status: 6, says: ['refuses client ID or certificate (401 invalid_client'] }));

test('gate: a certificate with the key of another', () => gate(one('mutual', { key: 'another.key' }), { status: 6, says: ['certificate and private key do not belong together'] }));

test('gate: the certificate ends too soon', () => gate(one('mutual'), { status: 6, args: ['--min-days', '120'], says: [/the certificate ends in (89|90) days/] }));

test('gate: no token endpoint there', () => gate(one('body', { 'token-url': `${provider.url}/oauth/token` }), { status: 6, says: ['has no token endpoint at "/oauth/token"'] }));

test('gate: an authority that is not trusted', () => gate(one('body'), { status: 5, ca: 'stranger.pem', says: ['TLS'] }));

test('gate: a service key as a file', async () => {
  file('environment.yaml', surroundings({}));
  const key = secret => yaml({ oauth: { createdate: '2026-01-01T00:00:00.000Z', clientid: ids.body, clientsecret: secret, tokenurl: at, url: 'https://flows.example' } });
  file('good.json', key(secrets.body));
  file('bad.json', key(secrets.wrong));
  let r = await iflowtest('gate', 'good.json', '-e', './environment.yaml', '--negative');
  assert.equal(r.status, 0, r.output);
  r = await iflowtest('gate', 'good.json', 'bad.json', '-e', './environment.yaml');
  assert.equal(r.status, 6, r.output);
  has(r, 'not good any more: bad', 'refuses client ID or secret (401 invalid_client');
});

const verified = (kind, claims) => ({
  name: `${kind} yields a token that holds`,
  token: { credential: kind },
  expect: { signature: 'valid', scopes: scope.split(' '), lifetime: { gte: '59m' }, claims: { iss: provider.url, aud: 'https://flows.example/', client_id: ids[kind], ...claims } },
});

test('run: tokens of every way to sign in', async () => {
  const bound = c => ({ cnf: { equals: { 'x5t#S256': thumbprint(c.cert) } } });
  const refused = (kind, change) => ({ name: `${kind} is really looked at`, token: { credential: kind, ...change }, expect: { status: 401, json: { error: 'invalid_client' } } });
  const r = await run({
    name: 'The provider',
    steps: [
      verified('body'), refused('body', { 'client-secret': 'wrong' }),
      verified('header'), refused('header', { 'client-secret': 'wrong' }),
      verified('mutual', bound(owned)), refused('mutual', { certificate: 'another.pem', key: 'another.key' }),
      verified('alone', bound(alone)), refused('alone', { certificate: 'owned.pem', key: 'owned.key' }),
    ],
  }, { status: 0 });
  const outcomes = Object.values(steps(r.events));
  assert.equal(outcomes.length, 8);
  assert.ok(outcomes.every(o => o === 'pass'));
});

test('run: a wrong secret without an expectation', () => run({
  name: 'A wrong secret', steps: [{ token: { credential: 'body', 'client-secret': '${env.WRONG_SECRET}' } }],
}, { status: 6, says: ['refuses client ID or secret (401 invalid_client'] }));

test('run: the published keys are others than those that sign', async () => {
  provider.forge();
  try {
    await run({ name: 'Forged', steps: [{ token: { credential: 'body' }, expect: { signature: 'valid' } }] }, { status: 6, says: [/signature: want "valid", got "the signature does not match the key \\?"rsa/] });
  } finally {
    provider.restore();
  }
});

// The other way in takes nobody without a certificate of its authority.
test('run: mutual TLS that the server insists on', () => run({
  name: 'Insisting',
  steps: [{ token: { credential: 'mutual', 'token-url': `${provider.strict}/token` }, expect: { status: 200, signature: 'valid', scopes: scope.split(' '), claims: { client_id: ids.mutual, cnf: { equals: { 'x5t#S256': thumbprint(owned.cert) } } } } }],
}, { status: 0 }));

// Its keys are not to be had without a certificate either.
test('gate: mutual TLS that the server insists on', () => gate(one('mutual', { 'token-url': `${provider.strict}/token` }), {
  status: 0, args: ['--negative'], says: ['hung up on a wrong certificate without a word'],
}));

test('gate: no certificate where the server insists on one', () => gate(one('body', { 'token-url': `${provider.strict}/token` }), { status: 5, says: ['TLS: the server wants a client certificate'] }));

test('gate: the server hangs up on a certificate of another authority', () => gate(one('mutual', { 'token-url': `${provider.strict}/token`, certificate: 'foreign.pem', key: 'foreign.key' }), {
  status: 5, says: ['some servers hang up on a certificate that they do not accept'],
}));

test('gate: the provider is down', async () => {
  await provider.close();
  await gate(one('body'), { status: 5, says: ['connection refused'] });
});

let failed = 0;
for (const { name, body } of cases) {
  const started = performance.now();
  try {
    await body();
    console.log(`ok ${name} (${Math.round(performance.now() - started)} ms)`);
  } catch (e) {
    failed++;
    console.log(`FAIL ${name}\n${e.message.replace(/^/gm, '    ')}`);
  }
}
await provider.close();
fs.rmSync(work, { recursive: true, force: true });
console.log(failed ? `${failed} of ${cases.length} failed` : `all ${cases.length} hold`);
process.exitCode = failed ? 1 : 0;
