// Decodes image files, in Node.

import { DataError } from './dataset.ts';
import { checkKind, checkSize, damaged, type Decode } from './images.ts';

/** A function that decodes one file to RGB. Throws DataError (environment) where the image library does not load here. */
export async function decoder(): Promise<Decode> {
  const { default: sharp } = await import('sharp').catch((error: unknown) => {
    throw new DataError('environment', 'the image library (sharp) does not load on this machine', 'Use the CIFAR-10 binary files or --data synthetic.', { cause: error });
  });
  return async (bytes, file, size) => {
    checkKind(bytes, file);
    try {
      // The limit keeps a file that claims to be huge from being decoded before its size is compared.
      const { data, info } = await sharp(bytes, { failOn: 'warning', ...(size && { limitInputPixels: size[0] * size[1] }) })
        .removeAlpha().toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
      checkSize(file, info.height, info.width, size);
      return { height: info.height, width: info.width, pixels: info.channels === 1 ? Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)] ?? 0) : data };
    } catch (error) {
      if (error instanceof DataError) throw error;
      const header = await sharp(bytes, { limitInputPixels: false }).metadata().catch(() => undefined);
      if (header) checkSize(file, header.height, header.width, size);
      throw damaged(file, error);
    }
  };
}
