// A shader module and its dispatch: bindings, the number of workgroups, and how an invocation finds its number.

import type { ValueId } from '../../2-graph/graph.ts';
import type { Buffer } from '../../4-kernels/kernel.ts';
import type { WebGpuStep } from '../model.ts';
import type { Bound } from './writer.ts';

/** What every WebGPU device can do, unless it is told otherwise. */
export interface Limits {
  readonly storageBuffers: number;
  readonly workgroupsPerDimension: number;
  readonly workgroupInvocations: number;
  readonly workgroupBytes: number;
}

/** The limits that WebGPU guarantees on every device. */
export const GUARANTEED: Limits = { storageBuffers: 8, workgroupsPerDimension: 65535, workgroupInvocations: 256, workgroupBytes: 16384 };

/** What every step is written with. */
export interface Emission {
  readonly limits: Limits;
  readonly buffer: (id: ValueId) => Buffer;
  /** The id under which a value's buffer is bound. */
  readonly home: (id: ValueId) => ValueId;
}

/** The buffers of a shader under construction. */
export interface Bindings {
  readonly bound: (id: ValueId) => Bound;
  /** The declarations. */
  readonly text: string;
  readonly list: WebGpuStep['bindings'];
}

interface Uses {
  readonly reads: readonly ValueId[];
  readonly writes: readonly ValueId[];
  /** Those declared as vectors of four. */
  readonly wide: ReadonlySet<ValueId>;
  readonly buffer: (id: ValueId) => Buffer;
  /** The id under which a buffer is bound: two values may share one. */
  readonly home: (id: ValueId) => ValueId;
}

export function bindingsOf({ reads, writes, wide, buffer, home }: Uses): Bindings {
  const written = new Set(writes.map(home));
  const ids = [...new Set([...reads, ...writes].map(home))];
  const bounds = new Map(ids.map((id, i): [ValueId, Bound] => [id, { name: `b${i}`, wide: [...wide].some((each) => home(each) === id), integer: buffer(id).dtype === 'i32' }]));
  const declare = ([id, { name, wide: isWide, integer }]: [ValueId, Bound], i: number): string => {
    const type = isWide ? (integer ? 'vec4i' : 'vec4f') : integer ? 'i32' : 'f32';
    return `@group(0) @binding(${i}) var<storage, ${written.has(id) ? 'read_write' : 'read'}> ${name}: array<${type}>;\n`;
  };
  return {
    bound: (id) => {
      const found = bounds.get(home(id));
      if (!found) throw new Error(`%${id} is not bound`);
      return found;
    },
    text: [...bounds].map(declare).join(''),
    list: ids.map((id) => ({ buffer: id, access: written.has(id) ? 'write' : 'read' })),
  };
}

/** A count of workgroups laid out in as few dimensions as hold them. Throws RangeError where none do. */
export function workgroupsOf(count: number, { workgroupsPerDimension: most }: Limits): WebGpuStep['workgroups'] {
  if (count <= most) return [count, 1, 1];
  const rows = Math.ceil(count / most);
  if (rows > most) throw new RangeError(`${count} workgroups; a device takes ${most} by ${most}`);
  return [Math.ceil(count / rows), rows, 1];
}

/** The number of a workgroup, as an i32 of the given name. */
export const groupNumber = (name: string, [across, down]: WebGpuStep['workgroups']): string =>
  `let ${name} = ${down === 1 ? 'i32(group.x)' : `i32(group.y * ${across}u + group.x)`};`;
