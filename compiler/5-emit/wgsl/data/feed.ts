// The feed of a program: the steps that fill its inputs, labels, scalars and random numbers from a data set on the device. They make the batches that
// runtime/data makes on the host: the same images and draws, and the same pixels up to rounding.

import type { TrainSettings } from '../../../2-graph/graph.ts';
import { DATA, type BufferSpec, type DeviceProfile, type Program, type WebGpuStep } from '../../model.ts';
import { gatherSteps } from './gather.ts';
import { momentsShape, normalizeStep } from './moments.ts';
import { randomStep } from './random.ts';
import { chunksOf, type Reading } from './reading.ts';
import type { ImageShape } from './layers.ts';
import { selectionSteps, type Drawing } from './selection.ts';
import { KEYS, MOMENTS } from './text.ts';

export interface Feed {
  readonly steps: readonly WebGpuStep[];
  /** What they need besides the program's leaves. */
  readonly buffers: readonly BufferSpec[];
}

/**
 * The feed of a program; undefined where its inputs are not images of one shape. `images`: so many are read and normalised together, of which the program
 * takes the first `program.batch`.
 */
export function feedOf({ buffers, views, batch }: Pick<Program<WebGpuStep>, 'buffers' | 'views' | 'batch'>, normalize: TrainSettings['normalize'], images: number, device: DeviceProfile): Feed | undefined {
  const inputs = views.flatMap((view) => buffers.filter(({ role }) => role.kind === 'input' && role.view === view.name).map((leaf) => ({ view, leaf })));
  const shape = imageShape(inputs.map(({ leaf }) => leaf));
  if (!shape || inputs.length < views.length) return undefined;

  const drawings = views.flatMap(({ name, parts }) => parts.flatMap(({ steps }, part) => (steps.length > 0 ? [{ view: name, part }] : []))).map((each, i): Drawing => ({ ...each, at: i * images }));
  const chunks = inputs.map(({ view }) => chunksOf(view.parts.length * images));
  const readings = inputs.map(({ view, leaf }, i): Reading => ({
    view, leaf, shape, normalize, images, batch,
    keys: view.parts.map((_, part) => drawings.find((each) => each.view === view.name && each.part === part)?.at),
    chunks: chunks[i] ?? 0,
    firstChunk: sum(chunks.slice(0, i)),
  }));
  const of = (kind: BufferSpec['role']['kind']): BufferSpec[] => buffers.filter(({ role }) => role.kind === kind);
  const gathered = readings.map((reading) => gatherSteps(reading, device));
  const random = of('random').flatMap((leaf) => (leaf.role.kind === 'random' ? [randomStep(leaf, leaf.role.salt, device)] : []));
  const temporary = (id: string, dtype: BufferSpec['dtype'], size: readonly number[]): BufferSpec => ({ id, dtype, shape: size, role: { kind: 'temporary' } });
  return {
    steps: [
      ...selectionSteps({ images, batch, drawings, labels: of('labels'), scalars: of('scalar') }, device),
      ...gathered.flatMap(({ steps }) => steps),
      ...(normalize === 'per_batch' ? readings.map((reading) => normalizeStep(reading, readings, device)) : []),
      ...random,
    ],
    buffers: [
      temporary(DATA.indices, 'i32', [images]),
      ...(drawings.length > 0 ? [temporary(KEYS, 'i32', [drawings.length * images])] : []),
      ...(normalize === 'per_batch' ? [temporary(MOMENTS, 'f32', momentsShape(shape, sum(chunks)))] : []),
      ...gathered.flatMap(({ between }) => between),
    ],
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** The shape of an image, if all leaves have the same. */
function imageShape(leaves: readonly BufferSpec[]): ImageShape | undefined {
  const [first, ...others] = leaves.map(({ shape }) => shape.slice(1));
  const [height, width, channels, ...more] = first ?? [];
  const isOne = others.every((shape) => shape.join() === first?.join());
  return isOne && more.length === 0 && height !== undefined && width !== undefined && channels !== undefined ? [height, width, channels] : undefined;
}
