// A minimal PNG encoder (https://www.w3.org/TR/png-3/): 8 bits a channel, one chunk of data, no filters.

import { deflateSync } from 'node:zlib';
import type { ImageShape } from '../data/dataset.ts';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** By the number of channels: grey, RGB, RGB with alpha. Other images are shown by their first channel. */
const COLOUR_TYPES: Readonly<Record<number, number>> = { 1: 0, 3: 2, 4: 6 };

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/** A PNG file of an image, H * W * C bytes. */
export function encodePng(image: Uint8Array, [height, width, channels]: ImageShape): Uint8Array {
  const shown = COLOUR_TYPES[channels] === undefined ? 1 : channels;
  const rows = new Uint8Array(height * (1 + width * shown));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < shown; c++) rows[y * (1 + width * shown) + 1 + x * shown + c] = image[(y * width + x) * channels + c] ?? 0;
    }
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, COLOUR_TYPES[shown] ?? 0], 8);
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', new Uint8Array())]);
}

export const pngUri = (image: Uint8Array, shape: ImageShape): string => `data:image/png;base64,${Buffer.from(encodePng(image, shape)).toString('base64')}`;
