// Checked runs on the device: after each dispatch another one looks at what it has written, and the host reads all summaries at once when the run is done.

import type { BufferId } from '../../../compiler/5-emit/model.ts';
import { checksOf, findingOf } from '../../numerics.ts';
import type { Check, Checked, Finding, Summary } from '../../numerics.ts';
import { USAGE } from './allocate.ts';
import type { Place, Places } from './allocate.ts';
import { encodeCopies, encodeDispatch } from './commands.ts';
import type { Commands } from './commands.ts';
import { partsOf } from '../buffers.ts';
import { bytesOf, lengthOf } from './memory.ts';

const THREADS = 256;
/** Workgroups of one look; each invocation takes every so many words. */
const WORKGROUPS = 256;
/** u32 words of a summary: NaN, infinite, the lowest and the highest finite value as keys that are in the numbers' order. */
const WORDS = 4;
/** What WebGPU guarantees as the alignment of bound offsets. */
const ALIGN = 256;
/** GPUBufferUsage.UNIFORM and GPUMapMode.READ: globals that Node lacks until Dawn is loaded. */
const UNIFORM = 64;
const MAP_READ = 1;

/** Elements of 32 bits one a word, or of 16 bits two a word; `place` tells how many there are and where their summary lies. */
const SHADER = (half: boolean): string => `
struct Place { elements: u32, summary: u32 }
@group(0) @binding(0) var<storage, read> values: array<u32>;
@group(0) @binding(1) var<storage, read_write> summaries: array<atomic<u32>>;
@group(0) @binding(2) var<uniform> place: Place;

var<private> nan = 0u;
var<private> infinite = 0u;
var<private> low = 0xffffffffu;
var<private> high = 0u;

fn look(bits: u32) {
  let size = bits & 0x7fffffffu;
  if size > 0x7f800000u { nan++; return; }
  if size == 0x7f800000u { infinite++; return; }
  let key = select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
  low = min(low, key);
  high = max(high, key);
}
${half ? HALF : ''}
@compute @workgroup_size(${THREADS})
fn main(@builtin(global_invocation_id) id: vec3u) {
  for (var i = id.x; i < place.elements; i += ${THREADS * WORKGROUPS}u) { look(${half ? 'half((values[i / 2u] >> (16u * (i % 2u))) & 0xffffu)' : 'values[i]'}); }
  let at = ${WORDS}u * place.summary;
  if nan > 0u { atomicAdd(&summaries[at], nan); }
  if infinite > 0u { atomicAdd(&summaries[at + 1u], infinite); }
  atomicMin(&summaries[at + 2u], low);
  atomicMax(&summaries[at + 3u], high);
}
`;

/** The bits of an f16 as those of the f32 of the same value; what is not finite stays so. */
const HALF = `
fn half(bits: u32) -> u32 {
  if (bits & 0x7c00u) == 0x7c00u { return ((bits & 0x8000u) << 16u) | 0x7f800000u | ((bits & 0x3ffu) << 13u); }
  return bitcast<u32>(unpack2x16float(bits).x);
}
`;

export interface Checker {
  /** Encodes a run with its checks. */
  readonly encode: (encoder: GPUCommandEncoder, label: string) => void;
  /** When the run is submitted: the first step of it that made something which is not finite. */
  readonly find: () => Promise<Finding | undefined>;
}

/** Checks for a program's runs, one at a time. */
export async function createChecker(gpu: GPUDevice, program: string, places: Places, { dispatches, copies }: Commands): Promise<Checker> {
  const parts = dispatches.flatMap(({ step }, dispatch) => partsOf(step).map((part) => ({ dispatch, part })));
  const steps = parts.map(({ part: { name, reads, writes } }): Checked => ({ step: name, reads, writes }));
  const placeOf = (id: BufferId): Place => places.get(id) ?? missing(id);
  const checks = checksOf({ buffers: [...places.values()].map(({ spec }) => spec) }, steps).filter(({ buffer }) => placeOf(buffer).spec.dtype !== 'i32');

  const size = 4 * WORDS * checks.length;
  const summaries = gpu.createBuffer({ label: 'summaries', size, usage: USAGE.storage | USAGE.copySource | USAGE.copyTarget });
  const staging = gpu.createBuffer({ label: 'summaries for the host', size, usage: USAGE.mapRead | USAGE.copyTarget });
  const where = gpu.createBuffer({ label: 'places of summaries', size: ALIGN * checks.length, usage: UNIFORM | USAGE.copyTarget });
  gpu.queue.writeBuffer(where, 0, Uint32Array.from({ length: (ALIGN / 4) * checks.length }, (_, word) => wordOf(checks, placeOf, word)));
  const pipeline = (half: boolean): Promise<GPUComputePipeline> =>
    gpu.createComputePipelineAsync({ label: 'look', layout: 'auto', compute: { module: gpu.createShaderModule({ code: SHADER(half) }), entryPoint: 'main' } });
  const [full, half] = await Promise.all([pipeline(false), pipeline(true)]);
  const looks = checks.map(({ at, buffer: id }, i) => {
    const { spec, buffer, offset } = placeOf(id);
    const chosen = spec.dtype === 'f16' ? half : full;
    const entries = [{ binding: 0, resource: { buffer, offset, size: bytesOf(spec) } }, { binding: 1, resource: { buffer: summaries } }, { binding: 2, resource: { buffer: where, offset: ALIGN * i, size: 8 } }];
    return { at, pipeline: chosen, group: gpu.createBindGroup({ layout: chosen.getBindGroupLayout(0), entries }), workgroups: Math.min(WORKGROUPS, Math.ceil(lengthOf(spec) / THREADS)) };
  });
  const byDispatch = new Map<number, typeof looks>();
  for (const each of looks) {
    const at = parts[each.at]?.dispatch ?? -1;
    byDispatch.set(at, [...(byDispatch.get(at) ?? []), each]);
  }
  const empty = Uint32Array.from({ length: WORDS * checks.length }, (_, word) => (word % WORDS === 2 ? 0xffffffff : 0));

  return {
    encode(encoder, label) {
      gpu.queue.writeBuffer(summaries, 0, empty);
      const pass = encoder.beginComputePass({ label });
      const look = (at: number): void => {
        for (const { pipeline: chosen, group, workgroups } of byDispatch.get(at) ?? []) {
          pass.setPipeline(chosen);
          pass.setBindGroup(0, group);
          pass.dispatchWorkgroups(workgroups);
        }
      };
      look(-1);
      dispatches.forEach((dispatch, at) => {
        encodeDispatch(pass, dispatch);
        look(at);
      });
      pass.end();
      encodeCopies(encoder, copies);
      encoder.copyBufferToBuffer(summaries, 0, staging, 0, size);
    },
    async find() {
      await staging.mapAsync(MAP_READ);
      const words = new Uint32Array(staging.getMappedRange().slice(0));
      staging.unmap();
      return findingOf(program, steps, checks, checks.map(({ buffer }, i) => summaryIn(words.subarray(WORDS * i, WORDS * (i + 1)), placeOf(buffer))));
    },
  };
}

const missing = (id: BufferId): never => {
  throw new Error(`no buffer %${id}`);
};

/** A word of the buffer of places: for each check how many elements there are, and which summary is theirs. */
function wordOf(checks: readonly Check[], placeOf: (id: BufferId) => Place, word: number): number {
  const check = Math.floor((4 * word) / ALIGN);
  const which = word % (ALIGN / 4);
  return which === 0 ? lengthOf(placeOf(checks[check]?.buffer ?? '').spec) : which === 1 ? check : 0;
}

function summaryIn([nan = 0, infinite = 0, low = 0, high = 0]: Uint32Array, { spec }: Place): Summary {
  return { buffer: spec.id, elements: lengthOf(spec), nan, infinite, low: low === 0xffffffff ? Infinity : numberOf(low), high: low === 0xffffffff ? -Infinity : numberOf(high) };
}

/** The f32 of a key. */
function numberOf(key: number): number {
  const word = Uint32Array.of(key >= 0x80000000 ? key & 0x7fffffff : ~key);
  return new Float32Array(word.buffer)[0] ?? NaN;
}
