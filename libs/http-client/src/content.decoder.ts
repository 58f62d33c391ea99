import type { Transform } from 'node:stream';
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  constants,
} from 'node:zlib';
import { HttpFailure } from './http.failure.js';

// A stream's reader must see each event as soon as its bytes came, so output is flushed with every input.
const DECODERS: Readonly<Record<string, () => Transform>> = {
  br: () => createBrotliDecompress({ flush: constants.BROTLI_OPERATION_FLUSH }),
  gzip: () => createGunzip({ flush: constants.Z_SYNC_FLUSH }),
  'x-gzip': () => createGunzip({ flush: constants.Z_SYNC_FLUSH }),
  deflate: () => createInflate({ flush: constants.Z_SYNC_FLUSH }),
  zstd: () => createZstdDecompress({ flush: constants.ZSTD_e_flush }),
};

export const ACCEPTED_ENCODINGS = 'gzip, br, zstd, deflate';

/**
 * A decoder for a `content-encoding`; undefined when the bytes are plain.
 * @throws HttpFailure encoding for one we do not know, and for chains.
 */
export function decoderFor(encoding: string | undefined): Transform | undefined {
  const name = encoding?.trim().toLowerCase();
  if (name === undefined || name === '' || name === 'identity') return undefined;
  const create = DECODERS[name];
  if (create === undefined) {
    throw new HttpFailure(
      'encoding',
      `the answer has an unknown content-encoding: ${name.slice(0, 40)}`,
    );
  }
  return create();
}
