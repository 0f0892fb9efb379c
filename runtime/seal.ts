// Tensor files that say what they hold: a digest in the metadata over the names, shapes, values and all other metadata, so that damage is found.

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { broken, bytesOf, type TensorFile } from './safetensors.ts';

const DIGEST = 'digest';

/** SHA-256 of the file's contents. The order of tensors and metadata in the file does not count, nor does a digest that is there. */
function digestOf({ tensors, metadata }: TensorFile): string {
  const hash = sha256.create();
  const sorted = <T>(entries: Iterable<readonly [string, T]>): (readonly [string, T])[] => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  const entries = sorted(tensors);
  const rest = Object.entries(metadata).filter(([key]) => key !== DIGEST);
  hash.update(new TextEncoder().encode(JSON.stringify([sorted(rest), entries.map(([name, { shape }]) => [name, shape])])));
  for (const [, { data }] of entries) hash.update(bytesOf(data));
  return `sha256:${bytesToHex(hash.digest())}`;
}

/** The file with its digest. */
export const sealed = (file: TensorFile): TensorFile => ({ ...file, metadata: { ...file.metadata, [DIGEST]: digestOf(file) } });

/** Throws RunError where the file's digest is not that of its contents, or missing from a file that we wrote; other tools write none. */
export function checkSeal(name: string, file: TensorFile): void {
  const { [DIGEST]: digest, format = '' } = file.metadata;
  if (digest === undefined && format.startsWith('zigzag')) throw broken(name, 'its digest is missing');
  if (digest !== undefined && digest !== digestOf(file)) throw broken(name, 'its contents are not those of its digest');
}
