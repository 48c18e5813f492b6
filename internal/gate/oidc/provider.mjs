// An OpenID provider by a third party (npm package oidc-provider) on loopback,
// on a port of the system's choice, over TLS.

import crypto from 'node:crypto';
import https from 'node:https';
import { thumbprint } from './certificates.mjs';

// What the tokens of each resource are: the algorithm that signs them, or
// opaque ones that only the provider can read.
export const resources = {
  'https://flows.example/': { alg: 'RS256' },
  'https://pss.example/': { alg: 'PS256' },
  'https://elliptic.example/': { alg: 'ES256' },
  'https://short.example/': { alg: 'RS256', ttl: 5 },
  'https://shared.example/': { alg: 'HS256' },
  'https://opaque.example/': { opaque: true },
};
const usual = 'https://flows.example/';
const scope = 'ESBMessaging.send Orders.read';

const signingKeys = () => [
  { ...crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), kid: 'rsa', use: 'sig' },
  { ...crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), kid: 'ec', use: 'sig' },
];

const published = keys => keys.map(({ kty, kid, use, n, e, crv, x, y }) => ({ kty, kid, use, n, e, crv, x, y }));

const jwkOf = cert => ({
  ...new crypto.X509Certificate(cert).publicKey.export({ format: 'jwk' }),
  x5c: [new crypto.X509Certificate(cert).raw.toString('base64')],
  'x5t#S256': thumbprint(cert),
});

function registration({ id, secret, method, dn, cert, bound, grants = ['client_credentials'] }) {
  return {
    client_id: id,
    ...(secret && { client_secret: secret }),
    token_endpoint_auth_method: method,
    grant_types: grants,
    response_types: grants.includes('authorization_code') ? ['code'] : [],
    redirect_uris: grants.includes('authorization_code') ? ['https://flows.example/callback'] : [],
    scope,
    ...(dn && { tls_client_auth_subject_dn: dn }),
    ...(cert && { jwks: { keys: [jwkOf(cert)] } }),
    ...(bound && { tls_client_certificate_bound_access_tokens: true }),
  };
}

// serve starts the provider. What it gives: its url, and strict, another one that
// hangs up on who shows no certificate of clientCA; state.asked, how often each
// path was asked, and state.methods, where the secret of each token request was;
// forge() to publish other keys than it signs with, under the same names, until
// restore(); and close().
export async function serve(Provider, { tls, clientCA, clients }) {
  const server = https.createServer({ ...tls, ca: [clientCA], requestCert: true, rejectUnauthorized: false });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `https://localhost:${server.address().port}`;
  const state = { asked: new Map(), methods: [], other: undefined };

  const certificate = ctx => ctx.socket.getPeerX509Certificate();
  const provider = new Provider(url, {
    clients: clients.map(registration),
    jwks: { keys: signingKeys() },
    scopes: scope.split(' '),
    ttl: { ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? 3600 },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'tls_client_auth', 'self_signed_tls_client_auth'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        selfSignedTlsClientAuth: true,
        getCertificate: certificate,
        certificateAuthorized: ctx => ctx.socket.authorized,
        certificateSubjectMatches: (ctx, property, expected) =>
          property === 'tls_client_auth_subject_dn' && certificate(ctx).subject.split('\n').reverse().join(',') === expected,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => usual,
        getResourceServerInfo(_ctx, resource) {
          const { alg, opaque, ttl = 3600 } = resources[resource];
          return {
            scope,
            audience: resource,
            accessTokenTTL: ttl,
            accessTokenFormat: opaque ? 'opaque' : 'jwt',
            ...(!opaque && { jwt: { sign: alg === 'HS256' ? { alg, key: crypto.createSecretKey(Buffer.from('a key that two sides share, and nobody else')) } : { alg, kid: alg === 'ES256' ? 'ec' : 'rsa' } } }),
          };
        },
      },
    },
  });
  provider.use(async (ctx, next) => {
    state.asked.set(ctx.path, (state.asked.get(ctx.path) ?? 0) + 1);
    if (ctx.path === '/token') state.methods.push(ctx.get('authorization') ? 'header' : 'body');
    await next();
    if (ctx.path === '/jwks' && state.other) ctx.body = { keys: published(state.other) };
  });
  server.on('request', provider.callback());
  const strict = https.createServer({ ...tls, ca: [clientCA], requestCert: true, rejectUnauthorized: true }, provider.callback());
  await new Promise((resolve, reject) => {
    strict.once('error', reject);
    strict.listen(0, '127.0.0.1', resolve);
  });

  return {
    url,
    strict: `https://localhost:${strict.address().port}`,
    state,
    forge: () => { state.other = signingKeys(); },
    restore: () => { state.other = undefined; },
    close: () => Promise.all([server, strict].map(s => new Promise(resolve => { s.close(resolve); s.closeAllConnections(); }))),
  };
}
