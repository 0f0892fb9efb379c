// Which images a run takes, by the shuffle of runtime/data/shuffle.ts, and what follows from that for each of them: its label, and the keys of its draws. The
// scalars come along.

import { DATA, type BufferSpec, type DeviceProfile, type WebGpuStep } from '../../model.ts';
import { groupNumber, stepOf, workgroupsOf } from '../shader.ts';
import { bound, called, clock, CLOCK_TYPE, hashed, KEYS, type Use } from './text.ts';

const THREADS = 64;

/** A part of a view whose readings draw numbers; its keys begin at `at`. */
export interface Drawing {
  readonly view: string;
  readonly part: number;
  readonly at: number;
}

export interface Selecting {
  /** Images that are read; the labels are those of the first `batch`. */
  readonly images: number;
  readonly batch: number;
  readonly drawings: readonly Drawing[];
  /** Leaves. */
  readonly labels: readonly BufferSpec[];
  readonly scalars: readonly BufferSpec[];
}

/** A buffer that is filled, with the statements that do it for image `i` of the run, which is number `image` of its split. */
interface Filling extends Use {
  readonly body: string;
}

/** One dispatch, or several where there are more buffers to fill than a shader binds. */
export function selectionSteps({ images, batch, drawings, labels, scalars }: Selecting, { limits }: DeviceProfile): WebGpuStep[] {
  const filling = (name: string, element: string, id: string, body: string): Filling => ({ name, type: `array<${element}>`, id, access: 'write', body });
  const fillings = [
    filling('indices', 'u32', DATA.indices, 'indices[i] = image;'),
    ...(drawings.length > 0 ? [filling('keys', 'u32', KEYS, drawings.map(keyText).join('\n  '))] : []),
    ...labels.map(({ id, shape: [length = 0] }, n) => filling(`leaf${n}`, 'i32', id, `for (var k = i; i < ${batch} && k < ${length}; k += ${batch}) { leaf${n}[k] = labels[image]; }`)),
    ...scalars.flatMap(({ id, role }, n) => (role.kind === 'scalar' ? [filling(`scalar${n}`, 'f32', id, `if i == 0 { scalar${n}[0] = f32(clock.${role.name}); }`)] : [])),
  ];
  const room = limits.storageBuffers - 2; // beside the clock and the split's labels
  return Array.from({ length: Math.ceil(fillings.length / room) }, (_, group) => {
    const own = fillings.slice(group * room, (group + 1) * room);
    const workgroups = workgroupsOf(Math.ceil(images / THREADS), limits);
    return stepOf({
      name: `data_selection${group === 0 ? '' : `_${group}`}`,
      bindings: bound([clock, { name: 'labels', type: 'array<i32>', id: DATA.labels, access: 'read' }, ...own]),
      workgroups,
      helpers: new Map([['Clock', CLOCK_TYPE], ...called([SHUFFLED]), ['shuffled', SHUFFLED]]),
      threads: THREADS,
      body: [
        groupNumber('block', workgroups),
        `let i = block * ${THREADS} + i32(thread);`,
        `if i >= ${images} { return; }`,
        'let image = shuffled((clock.start + u32(i)) % clock.count);',
        ...own.map(({ body }) => body),
      ],
    });
  });
}

/** hash(views, step, image, name, part); the name's word is the hash of its characters. */
function keyText({ view, part, at }: Drawing): string {
  const name = hashed(Array.from(view, (character) => `${character.codePointAt(0) ?? 0}u`));
  return `keys[${at === 0 ? '' : `${at} + `}i] = ${hashed(['clock.views', 'clock.step', 'u32(i)', name, `${part}u`])};`;
}

const SHUFFLED = `fn shuffled(place: u32) -> u32 {
  let half = max(1u, (33u - countLeadingZeros(clock.count - 1u)) / 2u);
  let mask = (1u << half) - 1u;
  var at = place;
  loop {
    var left = at >> half;
    var right = at & mask;
    for (var round = 0u; round < 6u; round++) {
      let next = left ^ (${hashed(['clock.order', 'round', 'right'])} & mask);
      left = right;
      right = next;
    }
    at = (left << half) | right;
    if at < clock.count { return at; }
  }
}
`;
