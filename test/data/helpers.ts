// Small data sets, temporary folders, hand-made tar archives and a web server for the tests of runtime/data.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { DataError, imageSize, type Dataset, type ImageShape, type Split } from '../../runtime/data/dataset.ts';
import { uniforms } from '../../runtime/random.ts';

/** A folder that is gone when the test is. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zigzag-test-'));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
  return folder;
}

/** Random bytes, labels in turn. */
export function randomSplit(count: number, shape: ImageShape, classes: number, key: number): Split {
  const next = uniforms(key);
  return {
    count,
    images: Uint8Array.from({ length: count * imageSize(shape) }, () => Math.floor(next() * 256)),
    labels: Uint8Array.from({ length: count }, (_, i) => i % classes),
  };
}

export function randomDataset(train: number, test: number, shape: ImageShape = [4, 5, 3], classes = 3): Dataset {
  return { name: 'random', shape, classes: Array.from({ length: classes }, (_, i) => `class ${i}`), train: randomSplit(train, shape, classes, 1), test: randomSplit(test, shape, classes, 2) };
}

export interface TarEntry {
  readonly path: string;
  readonly bytes?: Uint8Array;
  readonly type?: string;
  /** What the header says where it lies. */
  readonly size?: number;
  readonly badChecksum?: boolean;
  readonly link?: string;
  readonly prefix?: string;
}

/** An uncompressed tar archive. */
export function makeTar(entries: readonly TarEntry[], end = true): Buffer {
  const blocks = entries.flatMap(({ path, bytes = new Uint8Array(), type = '0', size = bytes.length, badChecksum = false, link = '', prefix = '' }) => {
    const header = Buffer.alloc(512);
    header.write(path, 0, 100);
    header.write('0000644\0', 100);
    header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write(type, 156, 'latin1');
    header.write(link, 157);
    header.write('ustar\x0000', 257, 'latin1');
    header.write(prefix, 345, 155);
    header.fill(' ', 148, 156);
    const sum = header.reduce((a, b) => a + b, 0) + (badChecksum ? 1 : 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return [header, Buffer.from(bytes), Buffer.alloc(-bytes.length & 511)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(end ? 1024 : 0)]);
}

/** A web server on this machine that is gone when the test is; returns its address with a slash at the end. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** The DataError that a promise ends in. */
export async function dataErrorOf(promise: Promise<unknown>): Promise<DataError> {
  const error = await promise.then(() => undefined, (reason: unknown) => reason);
  if (error instanceof DataError) return error;
  throw new Error(`expected a DataError, got ${String(error)}`);
}
