// Bytes as text: compressed in zlib's format, in base64.

import { deflateSync } from 'node:zlib';

export const deflate = (bytes: Uint8Array = new Uint8Array()): string => deflateSync(bytes, { level: 9 }).toString('base64');
