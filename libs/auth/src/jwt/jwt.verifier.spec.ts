import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { webcrypto } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { GatewayError, ManualClock, type Caller } from '@sluice/kernel';
import { KeyHasher } from '../api-key.js';
import { JwtVerifier, type JwtSettings } from './jwt.verifier.js';

const NOW = Date.UTC(2026, 5, 1);
const SECRET = 'a shared secret of more than thirty-two bytes';
const hasher = new KeyHasher('pepper');
const CLAIMS = { sub: 'ada', tier: 'paid', tenant: 'acme' };

let rsa: webcrypto.CryptoKeyPair;
let ec: webcrypto.CryptoKeyPair;
let strange: webcrypto.CryptoKeyPair;
let rsaPem: string;
let server: Server;
let jwksUrl: string;
let fetched = 0;
let jwksStatus = 200;

beforeAll(async () => {
  rsa = await generateKeyPair('RS256', { extractable: true });
  ec = await generateKeyPair('ES256', { extractable: true });
  strange = await generateKeyPair('RS256');
  rsaPem = await exportSPKI(rsa.publicKey);
  const keys = [
    { ...(await exportJWK(rsa.publicKey)), kid: 'r', alg: 'RS256' },
    { ...(await exportJWK(ec.publicKey)), kid: 'e', alg: 'ES256' },
  ];
  server = createServer((_, response) => {
    fetched++;
    response.writeHead(jwksStatus, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

interface Signing {
  readonly alg?: string;
  readonly key?: webcrypto.CryptoKey | Uint8Array;
  readonly kid?: string;
  readonly expires?: number;
}

function sign(claims: JWTPayload, signing: Signing = {}): Promise<string> {
  const { alg = 'HS256', key = new TextEncoder().encode(SECRET), kid, expires = 3600 } = signing;
  return new SignJWT(claims)
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .setExpirationTime(NOW / 1000 + expires)
    .sign(key);
}

function verifierOf(settings: JwtSettings = { secret: SECRET }) {
  const clock = new ManualClock(NOW);
  const verifier = new JwtVerifier(settings, clock);
  const verify = async (token: string): Promise<Caller> =>
    verifier.verify(token, hasher.hash(token).toString('base64url'));
  const refusal = (token: string) =>
    verify(token).then(
      () => 'admitted',
      (error: unknown) =>
        error instanceof GatewayError ? `${error.code}: ${error.message}` : String(error),
    );
  return { clock, verifier, verify, refusal };
}

describe('JwtVerifier', () => {
  it('takes sub, tier and tenant from an HS256 token, and never a scope', async () => {
    const { verify } = verifierOf();
    const token = await sign({ ...CLAIMS, scopes: ['admin'], scope: 'admin' });
    expect(await verify(token)).toEqual({
      tenant: 'acme',
      id: 'ada',
      kind: 'jwt',
      tier: 'paid',
      scopes: [],
    });
    expect(await verify(await sign({ sub: 'bob', tier: 'free' }))).toMatchObject({
      tenant: 'default',
    });
  });

  it('lets nobody be the operator, or an address, by calling himself so', async () => {
    const { refusal } = verifierOf();
    for (const sub of ['sluice:admin', 'ip:192.0.2.1']) {
      expect(await refusal(await sign({ ...CLAIMS, sub }))).toMatch(/^unauthorized: .*"sub"/);
    }
  });

  it('accepts RS256 and ES256 by the keys of the JWKS, fetched once', async () => {
    const { verify } = verifierOf({ jwksUrl });
    fetched = 0;
    const byRsa = await sign(CLAIMS, { alg: 'RS256', key: rsa.privateKey, kid: 'r' });
    const byEc = await sign(CLAIMS, { alg: 'ES256', key: ec.privateKey, kid: 'e' });
    expect(await verify(byRsa)).toMatchObject({ id: 'ada' });
    expect(await verify(byEc)).toMatchObject({ id: 'ada' });
    expect(fetched).toBe(1);
  });

  it('pins the algorithm: no public key as a shared secret, no "none", no other family', async () => {
    const both = verifierOf({ secret: SECRET, jwksUrl });
    const confused = await sign(CLAIMS, { key: new TextEncoder().encode(rsaPem) });
    expect(await both.refusal(confused)).toMatch(/^unauthorized: .*signature/);
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const none = `${part({ alg: 'none' })}.${part({ ...CLAIMS, exp: NOW })}.`;
    expect(await both.refusal(none)).toMatch(/^unauthorized: .*HS256, RS256, ES256/);
    const onlySecret = verifierOf();
    const byRsa = await sign(CLAIMS, { alg: 'RS256', key: rsa.privateKey, kid: 'r' });
    expect(await onlySecret.refusal(byRsa)).toMatch(/^unauthorized: .*allowed: HS256/);
    const onlyJwks = verifierOf({ jwksUrl });
    expect(await onlyJwks.refusal(await sign(CLAIMS))).toMatch(/allowed: RS256, ES256/);
    const long = await sign(CLAIMS, { alg: 'HS512' });
    expect(await onlySecret.refusal(long)).toMatch(/^unauthorized/);
  });

  it('refuses another signer, an unknown key, garbage, and a changed payload', async () => {
    const { refusal } = verifierOf({ secret: SECRET, jwksUrl });
    const other = await sign(CLAIMS, { key: new TextEncoder().encode('x'.repeat(40)) });
    expect(await refusal(other)).toMatch(/^unauthorized: .*signature/);
    const unknown = await sign(CLAIMS, { alg: 'RS256', key: strange.privateKey, kid: 'z' });
    expect(await refusal(unknown)).toMatch(/^unauthorized: .*unknown key/);
    expect(await refusal('a.b.c')).toMatch(/^unauthorized: .*not a JSON Web Token/);
    const [head, , tail] = (await sign(CLAIMS)).split('.');
    const forged = Buffer.from(JSON.stringify({ ...CLAIMS, tier: 'admin' })).toString('base64url');
    expect(await refusal(`${head}.${forged}.${tail}`)).toMatch(/^unauthorized: .*signature/);
  });

  it('demands issuer and audience when they are configured', async () => {
    const { refusal } = verifierOf({ secret: SECRET, issuer: 'https://id', audience: 'sluice' });
    const good = { ...CLAIMS, iss: 'https://id', aud: ['x', 'sluice'] };
    expect(await refusal(await sign(good))).toBe('admitted');
    expect(await refusal(await sign({ ...good, iss: 'https://evil' }))).toMatch(/"iss"/);
    expect(await refusal(await sign({ ...good, aud: 'other' }))).toMatch(/"aud"/);
    expect(await refusal(await sign(CLAIMS))).toMatch(/^unauthorized/);
  });

  it('refuses a token when it expires, also one that was verified before', async () => {
    const { refusal, clock } = verifierOf();
    const token = await sign(CLAIMS, { expires: 60 });
    expect(await refusal(token)).toBe('admitted');
    clock.advance(59_999);
    expect(await refusal(token)).toBe('admitted');
    // Five seconds of tolerance between the two clocks.
    clock.advance(5_001);
    expect(await refusal(token)).toMatch(/expired/);
  });

  it.each([
    ['no subject', { tier: 'paid' }, /^unauthorized: .*"sub"/],
    ['an address for a subject', { sub: 'ip:192.0.2.1', tier: 'paid' }, /^unauthorized: .*"sub"/],
    ['an endless subject', { sub: 'x'.repeat(1000), tier: 'paid' }, /^unauthorized: .*"sub"/],
    ['a tenant that is no name', { ...CLAIMS, tenant: '../a' }, /^unauthorized: .*"tenant"/],
    ['no tier', { sub: 'ada' }, /^forbidden: .*"tier"/],
  ])('refuses a token with %s', async (_, claims, expected) => {
    const { refusal } = verifierOf();
    expect(await refusal(await sign(claims))).toMatch(expected);
  });

  it('remembers verdicts by the whole token: equal beginnings give nobody another identity', async () => {
    const { verify, verifier } = verifierOf();
    const ada = await sign(CLAIMS);
    const bob = await sign({ ...CLAIMS, sub: 'bob' });
    expect(ada.slice(0, 30)).toBe(bob.slice(0, 30));
    expect(await verify(ada)).toMatchObject({ id: 'ada' });
    expect(await verify(bob)).toMatchObject({ id: 'bob' });
    const cached = verifier.verify(ada, hasher.hash(ada).toString('base64url'));
    expect(cached).not.toBeInstanceOf(Promise);
    expect(cached).toMatchObject({ id: 'ada' });
  });

  it('says 503 and not 401 when the keys cannot be fetched, and recovers', async () => {
    const { refusal } = verifierOf({ jwksUrl });
    const token = await sign(CLAIMS, { alg: 'ES256', key: ec.privateKey, kid: 'e' });
    jwksStatus = 500;
    expect(await refusal(token)).toMatch(/^overloaded/);
    jwksStatus = 200;
    expect(await refusal(token)).toBe('admitted');
  });

  it('accepts no token at all where none is configured', async () => {
    const { refusal } = verifierOf({});
    expect(await refusal(await sign(CLAIMS))).toMatch(/^unauthorized: .*not accepted here/);
  });
});
