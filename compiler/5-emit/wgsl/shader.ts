// A shader module and its dispatch: bindings, workgroup memory, the number of workgroups, and how an invocation finds its number.

import type { ValueId } from '../../2-graph/graph.ts';
import type { Buffer } from '../../4-kernels/kernel.ts';
import type { DeviceFeature, DeviceLimits, DeviceProfile, WebGpuStep, Within } from '../model.ts';
import { helpersText } from './functions.ts';
import type { Helpers } from './functions.ts';
import { LANES } from './runs.ts';
import { FORMATS } from './storage.ts';
import { indent } from './writer.ts';
import type { Bound } from './writer.ts';

/** What WebGPU guarantees on every device. */
export const EVERY_DEVICE: DeviceProfile = {
  limits: { storageBuffers: 8, workgroupsPerDimension: 65535, workgroupInvocations: 256, workgroupBytes: 16384, bufferBytes: 2 ** 28, bindingBytes: 2 ** 27 },
  features: [],
  matrices: [],
};

/** What every step is written with. */
export interface Emission {
  readonly device: DeviceProfile;
  readonly buffer: (id: ValueId) => Buffer;
  readonly places: Places;
}

/** Where values lie. */
export interface Places {
  /** The value in whose buffer another is written, or itself. */
  readonly home: (id: ValueId) => ValueId;
  /** Where that buffer lies in an arena, if it does. */
  readonly within: (home: ValueId) => Within | undefined;
}

/** The buffers that are bound for values, and what each is bound for: an arena where it holds several of them, for no part of a buffer may be written while another is only read. */
export function boundFor(values: readonly ValueId[], { home, within }: Places): Map<ValueId, ValueId[]> {
  const together = new Map<ValueId, ValueId[]>();
  for (const id of new Set(values.map(home))) {
    const whole = within(id)?.arena ?? id;
    together.set(whole, [...(together.get(whole) ?? []), id]);
  }
  return new Map([...together].map(([whole, ids]) => [ids.length > 1 ? whole : (ids[0] ?? whole), ids]));
}

/** The buffers of a shader under construction. */
export interface Bindings {
  readonly bound: (id: ValueId) => Bound;
  /** The declarations. */
  readonly text: string;
  readonly list: WebGpuStep['bindings'];
  readonly features: readonly DeviceFeature[];
}

interface Uses {
  readonly reads: readonly ValueId[];
  readonly writes: readonly ValueId[];
  /** Those declared as vectors of four. */
  readonly wide: ReadonlySet<ValueId>;
  readonly buffer: (id: ValueId) => Buffer;
  readonly places: Places;
}

export function bindingsOf({ reads, writes, wide, buffer, places }: Uses): Bindings {
  const { home, within } = places;
  const written = new Set(writes.map(home));
  const vectors = new Set([...wide].map(home));
  const accessOf = (ids: readonly ValueId[]): 'read' | 'write' => (ids.some((id) => written.has(id)) ? 'write' : 'read');
  const bounds = new Map<ValueId, Bound>();
  const list: WebGpuStep['bindings'][number][] = [];
  let text = '';
  for (const [id, holds] of boundFor([...reads, ...writes], places)) {
    const [first = id] = holds;
    const [name, access, isArena] = [`b${list.length}`, accessOf(holds), holds.length > 1];
    const [lanes, format] = [holds.some((each) => vectors.has(each)) ? LANES : 1, FORMATS[buffer(first).dtype]] as const;
    for (const each of holds) bounds.set(each, { name, lanes, format, offset: isArena ? (within(each)?.offset ?? 0) : 0 });
    text += `@group(0) @binding(${list.length}) var<storage, ${access === 'write' ? 'read_write' : 'read'}> ${name}: array<${format.types[lanes]}>;\n`;
    list.push({ buffer: id, access });
  }
  return {
    bound: (id) => {
      const found = bounds.get(home(id));
      if (!found) throw new Error(`%${id} is not bound`);
      return found;
    },
    text,
    list,
    features: [...bounds.values()].flatMap(({ format }) => format.feature ?? []),
  };
}

export interface Module {
  readonly name: string;
  readonly bindings: Pick<Bindings, 'text' | 'list'> & Partial<Pick<Bindings, 'features'>>;
  readonly workgroups: WebGpuStep['workgroups'];
  /** Arrays in workgroup memory. */
  readonly shared?: readonly { readonly name: string; readonly type: keyof typeof BYTES; readonly length: number }[];
  /** What it asks of the device besides what its bindings do. */
  readonly features?: readonly DeviceFeature[];
  /** Other built-in values that `main` takes. */
  readonly builtins?: readonly string[];
  readonly helpers: Helpers;
  /** Other functions that `main` calls. */
  readonly functions?: readonly string[];
  readonly threads: number;
  /** The statements of `main`, which knows its workgroup as `group` and its place in it as `thread`. */
  readonly body: readonly string[];
}

const BYTES = { f32: 4, vec4f: 16, 'vec4<f16>': 8 } as const;

/** What begins a shader that uses a feature. */
const ENABLED: { readonly [F in DeviceFeature]?: string } = {
  'shader-f16': 'f16',
  subgroups: 'subgroups',
  'chromium-experimental-subgroup-matrix': 'chromium_experimental_subgroup_matrix',
};

/** The module's text and what it asks of the device. */
export function stepOf({ name, bindings, workgroups, shared = [], features: more = [], builtins = [], helpers, functions = [], threads, body }: Module): WebGpuStep {
  const features = [...new Set([...(bindings.features ?? []), ...more])];
  const enabled = features.flatMap((feature) => ENABLED[feature] ?? []).map((extension) => `enable ${extension};\n`).join('');
  const memory = shared.map((each) => `var<workgroup> ${each.name}: array<${each.type}, ${each.length}>;\n`).join('');
  const shader = `${enabled}${bindings.text}
${memory}${memory && '\n'}${helpersText(helpers)}${functions.join('\n')}${functions.length > 0 ? '\n' : ''}@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32${builtins.map((each) => `, ${each}`).join('')}) {
${indent(body).join('\n')}
}
`;
  const workgroupBytes = shared.reduce((bytes, { type, length }) => bytes + BYTES[type] * length, 0);
  return { name, shader, workgroups, bindings: bindings.list, needs: { features, workgroupInvocations: threads, workgroupBytes } };
}

/** A count of workgroups laid out in as few dimensions as hold them. Throws RangeError where none do. */
export function workgroupsOf(count: number, { workgroupsPerDimension: most }: DeviceLimits): WebGpuStep['workgroups'] {
  if (count <= most) return [count, 1, 1];
  const rows = Math.ceil(count / most);
  if (rows > most) throw new RangeError(`${count} workgroups; a device takes ${most} by ${most}`);
  return [Math.ceil(count / rows), rows, 1];
}

/** The number of a workgroup, as an i32 of the given name. */
export const groupNumber = (name: string, [across, down]: WebGpuStep['workgroups']): string =>
  `let ${name} = ${down === 1 ? 'i32(group.x)' : `i32(group.y * ${across}u + group.x)`};`;
