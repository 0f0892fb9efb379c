// One part of a view as functions: from the bytes of an image, or from what an earlier dispatch has stored, through the layers of its augmentations.

import { layersOf, type Field, type ImageShape, type Layer } from './layers.ts';
import type { ViewPart } from '../../model.ts';
import { indent } from '../writer.ts';

/** The layers of a part that one dispatch computes. */
export interface Segment {
  readonly layers: readonly Layer[];
  /** Whether it reads the image itself, or else what the segment before it has stored. */
  readonly first: boolean;
}

/** Values of the image that one is made of, and layers above each other: where there would be more, what there is so far is stored. */
const [TAPS, LAYERS] = [64, 32];

/** The part's layers, cut where asking for the same values again would cost too much: between the two directions of a wide blur. */
export function segmentsOf({ steps }: ViewPart, shape: ImageShape): Segment[] {
  const cut = layersOf(steps, shape).reduce<Layer[][]>((segments, layer) => {
    const last = segments.at(-1) ?? [];
    const asked = last.reduce((taps, each) => taps * each.taps, 1);
    if ((asked > 1 && asked * layer.taps > TAPS) || last.length === LAYERS) return [...segments, [layer]];
    return [...segments.slice(0, -1), [...last, layer]];
  }, [[]]);
  return cut.map((layers, i) => ({ layers, first: i === 0 }));
}

const distinct = (fields: readonly Field[]): Field[] => [...new Map(fields.map((field) => [field.name, field])).values()];

/**
 * The struct and functions of a segment; the last of them, `at{name}(d: Drawn{name}, e: i32)`, gives element e of the reading. `d` is made by `draw{name}(row, image, key)`:
 * the reading's number, the image's in its split, and the key of its draws.
 */
export function segmentText(name: string, { layers, first }: Segment, [height, width, channels]: ImageShape): string {
  const fields = distinct(layers.flatMap((layer) => layer.fields));
  const size = height * width * channels;
  const element = `(y * ${width} + x) * ${channels} + c`;
  const source = first ? `byte(d.image * ${size}u + u32(${element}))` : `stored[d.row * ${size} + ${element}]`;
  const functions = layers.map(({ conditions, body }, i) => {
    const before = (y: string, x: string): string => `layer${name}_${i}(d, ${y}, ${x}, c)`;
    const unchanged = conditions.length > 0 ? [`if !(${conditions.join(' && ')}) { return ${before('y', 'x')}; }`] : [];
    return layerText(name, i + 1, [...unchanged, ...body(before)]);
  });
  return [
    `struct Drawn${name} {\n  row: i32,\n  image: u32,\n  key: u32,\n${fields.map((field) => `  ${field.name}: ${field.type},\n`).join('')}}\n`,
    `fn draw${name}(row: i32, image: u32, key: u32) -> Drawn${name} {
  var d: Drawn${name};
  d.row = row;
  d.image = image;
  d.key = key;
${fields.map((field) => `  d.${field.name} = ${field.value};\n`).join('')}  return d;
}
`,
    layerText(name, 0, [`return ${source};`]),
    ...functions,
    `fn at${name}(d: Drawn${name}, e: i32) -> f32 {
  return layer${name}_${layers.length}(d, e / ${width * channels}, (e / ${channels}) % ${width}, e % ${channels});
}
`,
  ].join('\n');
}

const layerText = (name: string, layer: number, body: readonly string[]): string =>
  `fn layer${name}_${layer}(d: Drawn${name}, y: i32, x: i32, c: i32) -> f32 {\n${indent(body).join('\n')}\n}\n`;
