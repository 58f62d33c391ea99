import { beforeEach, describe, expect, it } from '@jest/globals';
import { KeyHasher } from './api-key.js';
import { ConnectionDigests } from './connection.digests.js';

class CountingHasher extends KeyHasher {
  hashed = 0;
  override hash(secret: string): Buffer {
    this.hashed++;
    return super.hash(secret);
  }
}

let hasher: CountingHasher;
let digests: ConnectionDigests;
beforeEach(() => {
  hasher = new CountingHasher('pepper');
  digests = new ConnectionDigests(hasher);
});
const truth = (secret: string) => new KeyHasher('pepper').hash(secret);

describe('ConnectionDigests', () => {
  it('hashes what a connection shows again and again only once', () => {
    const socket = {};
    const first = digests.of('sk-sluice-a', socket);
    const again = digests.of('sk-sluice-a', socket);
    expect(hasher.hashed).toBe(1);
    expect(again).toEqual(first);
    expect(first.hash.equals(truth('sk-sluice-a'))).toBe(true);
    expect(first.name).toBe(truth('sk-sluice-a').toString('base64url'));
  });

  it('takes nobody for another on one connection, whatever came before', () => {
    const socket = {};
    const secrets = ['sk-sluice-a', 'sk-sluice-b', 'sk-sluice-', 'sk-sluice-aa', '', 'sk-sluice-a'];
    for (const secret of secrets) {
      expect(digests.of(secret, socket).hash.equals(truth(secret))).toBe(true);
    }
  });

  it('knows nothing of one connection on another, or without one', () => {
    digests.of('sk-sluice-a', {});
    digests.of('sk-sluice-a', {});
    digests.of('sk-sluice-a', undefined);
    expect(hasher.hashed).toBe(3);
  });
});
