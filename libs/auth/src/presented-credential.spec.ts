import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError } from '@sluice/kernel';
import { presentedCredential, type CredentialSource } from './presented-credential.js';

const from = (headers: CredentialSource['headers'], url = '/v1/models') =>
  presentedCredential({ headers, url });

function refusal(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 200,
});

describe('presentedCredential', () => {
  it('finds nothing where nothing was sent', () => {
    expect(from({})).toEqual({ kind: 'none' });
  });

  it('takes any visible secret from either header unchanged, whatever the case of Bearer', () => {
    fc.assert(
      fc.property(visible, fc.constantFrom('Bearer', 'bearer', 'BEARER'), (secret, scheme) => {
        expect(from({ authorization: `${scheme} ${secret}` })).toMatchObject({ secret });
        expect(from({ 'x-api-key': secret })).toMatchObject({ secret });
      }),
    );
  });

  it('tells a JSON Web Token from a key by its three parts', () => {
    expect(from({ authorization: 'Bearer eyJh.eyJz.c2ln' })).toMatchObject({ kind: 'jwt' });
    expect(from({ authorization: `Bearer sk-sluice-${'x'.repeat(43)}` })).toMatchObject({
      kind: 'key',
    });
  });

  it('accepts the same key in both headers and refuses two different ones', () => {
    expect(from({ authorization: 'Bearer a', 'x-api-key': 'a' })).toMatchObject({ secret: 'a' });
    expect(refusal(() => from({ authorization: 'Bearer a', 'x-api-key': 'b' })).code).toBe(
      'unauthorized',
    );
  });

  it.each([
    ['an empty Authorization', { authorization: '' }],
    ['Bearer without a key', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['a key with a space', { authorization: 'Bearer a b' }],
    ['an empty x-api-key', { 'x-api-key': '' }],
    ['two x-api-key headers', { 'x-api-key': ['a', 'b'] }],
  ])('refuses %s', (_, headers) => {
    expect(refusal(() => from(headers)).code).toBe('unauthorized');
  });

  it('refuses a header longer than any key', () => {
    const long = 'x'.repeat(64 * 1024);
    for (const headers of [{ authorization: `Bearer ${long}` }, { 'x-api-key': long }]) {
      expect(refusal(() => from(headers)).code).toBe('header_too_large');
    }
  });

  it('refuses keys in the address under every name that clients use', () => {
    for (const name of ['key', 'api_key', 'API-KEY', 'apikey', 'access_token', 'x-api-key']) {
      const error = refusal(() => from({}, `/v1/models?${name}=whatever`));
      expect(error.code).toBe('unauthorized');
      expect(error.message).toContain('Authorization: Bearer');
    }
    expect(refusal(() => from({}, '/v1/models?q=%73k-sluice-abc')).code).toBe('unauthorized');
    expect(from({}, '/v1/models?limit=1000&beta=true&key=')).toEqual({ kind: 'none' });
  });

  it('never throws anything but a refusal, and never repeats what was sent', () => {
    fc.assert(
      fc.property(
        fc.option(fc.string({ maxLength: 60 }), { nil: undefined }),
        fc.option(fc.string({ maxLength: 60 }), { nil: undefined }),
        fc.string({ maxLength: 60 }),
        (authorization, apiKey, query) => {
          try {
            from({ authorization, 'x-api-key': apiKey }, `/?${query}`);
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
            const { message } = error as GatewayError;
            for (const secret of [authorization, apiKey]) {
              if (secret !== undefined && secret.length > 12) expect(message).not.toContain(secret);
            }
          }
        },
      ),
    );
  });
});
