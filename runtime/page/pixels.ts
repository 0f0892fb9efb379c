// From pictures of any size to the bytes that a net reads.

/** Height, width and channels of a net's image. */
export type Shape = readonly [height: number, width: number, channels: number];

/** The bytes of RGBA pixels in a net's channels: without alpha, or as luma (ITU-R BT.601, rounded) for a net that reads grey. */
export function bytesOf(rgba: Uint8ClampedArray, channels: number): Uint8Array {
  const bytes = new Uint8Array((rgba.length / 4) * channels);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    const [red = 0, green = 0, blue = 0] = [rgba[from], rgba[from + 1], rgba[from + 2]];
    if (channels === 1) bytes[to++] = Math.floor((299 * red + 587 * green + 114 * blue + 500) / 1000);
    else bytes.set([red, green, blue], (to += 3) - 3);
  }
  return bytes;
}

/** A canvas of the net's size, which shows what the net sees. */
export interface Retina {
  /** Draws the whole picture, stretched to the net's shape as zz predict does. */
  readonly look: (picture: Blob) => Promise<Uint8Array>;
  /** Draws the middle of the camera's picture, as large as fits in the net's proportions. */
  readonly watch: (video: HTMLVideoElement) => Uint8Array;
}

export function createRetina(canvas: HTMLCanvasElement, [height, width, channels]: Shape): Retina {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('this browser draws no pictures');
  context.imageSmoothingQuality = 'high';
  const read = (): Uint8Array => bytesOf(context.getImageData(0, 0, width, height).data, channels);
  return {
    async look(picture) {
      const bitmap = await createImageBitmap(picture, { resizeWidth: width, resizeHeight: height, resizeQuality: 'high' });
      context.clearRect(0, 0, width, height);
      context.drawImage(bitmap, 0, 0);
      bitmap.close();
      return read();
    },
    watch(video) {
      const { videoWidth, videoHeight } = video;
      const scale = Math.min(videoWidth / width, videoHeight / height);
      const [w, h] = [width * scale, height * scale];
      context.drawImage(video, (videoWidth - w) / 2, (videoHeight - h) / 2, w, h, 0, 0, width, height);
      return read();
    },
  };
}
