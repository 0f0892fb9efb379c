// Gathers the images of a batch from the data set's bytes and augments them: one dispatch for a view, and one more for each time that its augmentations are cut.

import { DATA, type BufferId, type BufferSpec, type DeviceProfile, type WebGpuStep } from '../../model.ts';
import { stepOf } from '../shader.ts';
import { indent } from '../writer.ts';
import { segmentsOf, segmentText, type Segment } from './chain.ts';
import type { ImageShape } from './layers.ts';
import { momentsOf } from './moments.ts';
import { columnsOf, elementsOf, isStored, overReadings, storedAt, typeOf, type Reading } from './reading.ts';
import { bound, called, KEYS, MOMENTS, type Use } from './text.ts';

/** What a dispatch reads besides images, and what it writes in place of the leaf. */
interface Between {
  readonly before?: BufferId | undefined;
  readonly after?: BufferId | undefined;
}

/** The dispatches that fill a view's leaf with readings, all but normalised per batch, and the buffers between them. */
export function gatherSteps(reading: Reading, device: DeviceProfile): { readonly steps: WebGpuStep[]; readonly between: BufferSpec[] } {
  const { view: { name, parts }, shape, images } = reading;
  const segments = parts.map((part) => segmentsOf(part, shape));
  const stages = Math.max(...segments.map(({ length }) => length));
  const between = Array.from({ length: Math.min(stages - 1, 2) }, (_, i): BufferSpec => ({
    id: `data.${name}.${i}`, dtype: 'f32', shape: [parts.length * images, ...shape], role: { kind: 'temporary' },
  }));
  const steps = Array.from({ length: stages }, (_, stage) => {
    // Parts of fewer segments come in later, so that all of them end in the same dispatch.
    const own = segments.map((each) => each[stage - stages + each.length]);
    const before = stage === 0 ? undefined : between[(stage - 1) % 2]?.id;
    const after = stage === stages - 1 ? undefined : between[stage % 2]?.id;
    return gatherStep(reading, own, { before, after }, device);
  });
  return { steps, between };
}

function gatherStep(reading: Reading, segments: readonly (Segment | undefined)[], { before, after }: Between, { limits }: DeviceProfile): WebGpuStep {
  const { view, leaf, shape, keys, normalize } = reading;
  const type = typeOf(shape);
  const isLast = after === undefined;
  const [byChannel, together] = [isLast && normalize === 'channel', isLast && normalize === 'per_batch'];
  const draws = segments.some((segment, part) => segment && keys[part] !== undefined);
  const read = (name: string, id: BufferId, element = 'u32'): Use => ({ name, type: `array<${element}>`, id, access: 'read' });
  const uses: Use[] = [
    read('images', DATA.images),
    read('indices', DATA.indices),
    ...(draws ? [read('keys', KEYS)] : []),
    ...(before === undefined ? [] : [read('stored', before, 'f32')]),
    ...(byChannel ? [read('channels', DATA.channels, 'f32')] : []),
    { name: 'readings', type: `array<${type}>`, id: after ?? leaf.id, access: 'write' },
    ...(together ? [{ name: 'moments', type: `array<${type}>`, id: MOMENTS, access: 'write' } as const] : []),
  ];
  const value = byChannel ? 'normalized(value, column)' : 'value';
  const guard = isLast ? isStored(reading) : undefined;
  const store = `readings[${isLast ? storedAt(reading) : 'r'} * ${columnsOf(shape)} + column] = ${value};`;
  const moments = together ? momentsOf(reading) : undefined;
  const body = [...valueLines(reading, segments), guard === undefined ? store : `if ${guard} { ${store} }`, ...(moments?.body ?? [])];
  const functions = [
    ...segments.flatMap((segment, part) => (segment && !isPlain(segment) ? [segmentText(String(part), segment, shape)] : [])),
    ...(byChannel ? [normalizedText(shape)] : []),
  ];
  return stepOf({
    name: `data_${view.name}${isLast ? '' : `_${after.slice(-1)}`}`,
    bindings: bound(uses),
    helpers: called([...functions, ...body]),
    functions,
    ...overReadings(reading, { before: moments?.before ?? [], body, after: moments?.after ?? [] }, limits),
  });
}

/** The statements that give the `value` of reading `r` at the thread's column. */
function valueLines(reading: Reading, segments: readonly (Segment | undefined)[]): string[] {
  const { images, shape } = reading;
  const parts = segments.map((segment, part) => (segment ? partLines(reading, segment, part) : ['continue;']));
  return [
    `let image = indices[${parts.length === 1 ? 'r' : `r % ${images}`}];`,
    `var value: ${typeOf(shape)};`,
    ...(parts.length === 1 ? (parts[0] ?? []) : parts.flatMap((lines, part) => [
      `${part === 0 ? '' : '} else '}${part === parts.length - 1 ? '' : `if r < ${(part + 1) * images} `}{`,
      ...indent(lines),
    ])),
    ...(parts.length === 1 ? [] : ['}']),
  ];
}

function partLines({ shape, images, keys, view }: Reading, segment: Segment, part: number): string[] {
  const size = elementsOf(shape);
  const isWide = typeOf(shape) === 'vec4f';
  if (isPlain(segment)) return [isWide ? `value = unpack4x8unorm(images[image * ${size / 4}u + u32(column)]);` : `value = byte(image * ${size}u + u32(column));`];
  const first = keys[part];
  const key = first === undefined ? '0u' : `keys[${first === 0 ? '' : `${first} + `}r${view.parts.length === 1 ? '' : ` % ${images}`}]`;
  return [
    `let drawn = draw${part}(r, image, ${key});`,
    isWide ? `for (var lane = 0; lane < 4; lane++) { value[lane] = at${part}(drawn, column * 4 + lane); }` : `value = at${part}(drawn, column);`,
  ];
}

/** Whether the segment gives the image as it is. */
const isPlain = ({ first, layers }: Segment): boolean => first && layers.length === 0;

/** (x - mean) / deviation of the channel. */
function normalizedText(shape: ImageShape): string {
  const channels = shape[2];
  const of = (channel: string): string => `channels[${channel}]`;
  const lanes = typeOf(shape) === 'vec4f' ? [0, 1, 2, 3].map((lane) => `(column * 4 + ${lane}) % ${channels}`) : [`column % ${channels}`];
  const each = (offset: string): string => `${typeOf(shape)}(${lanes.map((channel) => of(`${channel}${offset}`)).join(', ')})`;
  return `fn normalized(value: ${typeOf(shape)}, column: i32) -> ${typeOf(shape)} {
  return (value - ${each('')}) * ${each(` + ${channels}`)};
}
`;
}
