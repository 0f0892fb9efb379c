// Bytes as lines of text: compressed in zlib's format, in base64.

import { deflateSync } from 'node:zlib';

export const deflate = (bytes: Uint8Array = new Uint8Array()): string => inLines(deflateSync(bytes, { level: 9 }));

/** Base64 that an editor can show; decoders leave line ends out. */
export const inLines = (bytes: Uint8Array): string => `\n${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64').replaceAll(/.{1,160}/g, '$&\n')}`;
