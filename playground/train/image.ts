// Image files, decoded by the browser.

import { fit } from '../../runtime/data/fit.ts';
import type { ImageShape } from '../../runtime/data/dataset.ts';
import { checkKind, checkSize, damaged } from '../../runtime/data/images.ts';
import type { Decode, Image } from '../../runtime/data/images.ts';

/** As the command line decodes: colours are not converted, transparency is dropped. */
const OPTIONS: ImageBitmapOptions = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };

export const decode: Decode = async (bytes, file, size) => {
  checkKind(bytes, file);
  const image = await rgbOf(new Blob([bytes as Uint8Array<ArrayBuffer>]), OPTIONS).catch((cause: unknown) => {
    throw damaged(file, cause);
  });
  checkSize(file, image.height, image.width, size);
  return image;
};

/** One image as a net's input takes it, scaled to its size. Throws DataError where the file is damaged or no image. */
export async function scaled(file: File, [height, width, channels]: ImageShape): Promise<Uint8Array> {
  checkKind(new Uint8Array(await file.slice(0, 12).arrayBuffer()), file.name);
  const { pixels } = await rgbOf(file, { ...OPTIONS, resizeWidth: width, resizeHeight: height, resizeQuality: 'high' }).catch((cause: unknown) => {
    throw damaged(file.name, cause);
  });
  const alone = { count: 1, images: pixels, labels: new Uint8Array(1) };
  return fit({ name: file.name, shape: [height, width, 3], classes: [], train: alone, test: alone }, [height, width, channels], file.name).test.images;
}

async function rgbOf(file: Blob, options: ImageBitmapOptions): Promise<Image> {
  const bitmap = await createImageBitmap(file, options);
  try {
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error('the browser gives no canvas');
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    const pixels = new Uint8Array(width * height * 3);
    for (let i = 0, at = 0; i < data.length; i += 4) {
      pixels[at++] = data[i] ?? 0;
      pixels[at++] = data[i + 1] ?? 0;
      pixels[at++] = data[i + 2] ?? 0;
    }
    return { height, width, pixels };
  } finally {
    bitmap.close();
  }
}

/** An image of a data set as a canvas takes it. */
export function rgbaOf(image: Uint8Array, [height, width, channels]: ImageShape): Uint8ClampedArray<ArrayBuffer> {
  const shown = new Uint8ClampedArray(height * width * 4).fill(255);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) shown[4 * i + c] = image[channels * i + (channels >= 3 ? c : 0)] ?? 0;
  }
  return shown;
}
