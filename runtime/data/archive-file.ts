// Archives on the disk: .tar and .tar.gz, unpacked as they are read.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { archiveError, type Archive } from './tar.ts';

/** System errors pass through. */
export const archiveFile = async (path: string): Promise<Archive> => ({ name: path, bytes: (await stat(path)).size, unpack: (onBytes) => unpacked(path, onBytes) });

async function* unpacked(path: string, onBytes: (done: number) => void): AsyncGenerator<Uint8Array> {
  const packed = Readable.from(counted(path, onBytes));
  const stream = (await isGzip(path)) ? packed.pipe(createGunzip({ chunkSize: 1 << 18 })) : packed;
  packed.on('error', (error) => { stream.destroy(error); });
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) {
      throw archiveError(path, error.code === 'Z_BUF_ERROR' ? 'the archive is cut short' : `the compressed data are damaged (${error.message})`);
    }
    throw error;
  } finally {
    packed.destroy();
    stream.destroy();
  }
}

async function* counted(path: string, onBytes: (done: number) => void): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
    onBytes(done += (chunk as Buffer).length);
    yield chunk as Buffer;
  }
}

const GZIP = Buffer.of(0x1f, 0x8b);

async function isGzip(path: string): Promise<boolean> {
  for await (const chunk of createReadStream(path, { end: 1 })) return (chunk as Buffer).equals(GZIP);
  return false;
}
