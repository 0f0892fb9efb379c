// Reads safetensors files from the disk.

import { withFile } from './files.ts';
import { broken, decodeSafetensors, headerLength, type TensorFile } from './safetensors.ts';

/** Bytes a file may have: what is read is kept in memory. */
const MAX_FILE = 2 * 2 ** 30;
/** Bytes a call reads: systems stop short of 2 GiB. */
const CHUNK = 2 ** 28;

/**
 * The tensors of a file, as f32.
 * Throws RunError on a file that is damaged, hostile, holds other dtypes or more than 2 GiB; system errors pass through.
 */
export const readSafetensors = (path: string): Promise<TensorFile> =>
  withFile(path, MAX_FILE, async (file, size) => {
    const start = new Uint8Array(8);
    await file.read(start, 0, 8, 0);
    headerLength(path, start, size); // a file that claims too much is refused before there is room for it
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(size - at, CHUNK), at);
      if (bytesRead === 0) throw broken(path, 'it ends early');
      at += bytesRead;
    }
    return decodeSafetensors(path, bytes);
  });
