// Where everything lies in the one memory: weights and states once for all programs, the temporaries of a program reused by lifetime.

import type { BufferId, BufferSpec, Program, WasmStep } from '../../../compiler/5-emit/model.ts';
import { isKept, resultsOf } from '../buffers.ts';
import { COMMAND } from './worker.ts';

const ALIGN = 256;
const PAGE = 65536;
const ZEROS = 65536;
/** Where threads meet, and for each of them what is taken of its share. */
const CONTROL = 128;
const CONTROL_THREAD = 64;
/** Vectors at the end of the last buffer may read this far beyond it. */
const MARGIN = 4096;

export interface Arena {
  readonly bytes: number;
  /** Of them, what weights, states, constants and the threads take, whatever the batch. */
  readonly lasting: number;
  readonly commands: number;
  /** Imports shared by all programs. */
  readonly fixed: Readonly<Record<'control' | 'zeros' | 'scratch' | 'stride', number>>;
  /** Each program's buffer addresses. */
  readonly buffers: ReadonlyMap<string, ReadonlyMap<BufferId, number>>;
}

const align = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN;
const bytesOf = (spec: BufferSpec): number => align(4 * spec.shape.reduce((a, b) => a * b, 1));

/** Lays out the memory of some programs on a number of threads. */
export function layOut(programs: Readonly<Record<string, Program<WasmStep>>>, threads: number): Arena {
  let next = align(PAGE);
  const take = (bytes: number): number => {
    const at = next;
    next += align(bytes);
    return at;
  };
  const all = Object.entries(programs);
  const control = take(CONTROL + CONTROL_THREAD * threads);
  const commands = take(COMMAND.bytes);
  const zeros = take(ZEROS);
  const stride = align(Math.max(0, ...all.flatMap(([, program]) => program.steps.map((step) => step.scratch)))) + ALIGN;
  const scratch = take(stride * threads);
  const kept = new Map<BufferId, number>();
  for (const [, program] of all) {
    for (const spec of program.buffers) if (isKept(spec) && !kept.has(spec.id)) kept.set(spec.id, take(bytesOf(spec)));
  }
  // Programs never run at the same time: what they do not keep may lie in the same place. Constants are written once, so they do not.
  const constants = new Map(all.map(([name, program]) => [name, program.buffers.filter(isConstant).map((spec) => [spec.id, take(bytesOf(spec))] as const)]));
  const start = next;
  const buffers = new Map(
    all.map(([name, program]) => {
      const { offsets, bytes } = plan(program);
      next = Math.max(next, start + bytes);
      const moved = [...offsets].map(([id, offset]) => [id, start + offset] as const);
      return [name, new Map([...kept, ...(constants.get(name) ?? []), ...moved])];
    }),
  );
  return { bytes: Math.ceil((next + MARGIN) / PAGE) * PAGE, lasting: start, commands, fixed: { control, zeros, scratch, stride }, buffers };
}

const isConstant = ({ role }: BufferSpec): boolean => role.kind === 'constant';

/**
 * Offsets for what lives in one run alone: feeds for all of it, temporaries from the step that writes them to the last that reads them, results to the end.
 * Each takes the lowest place that is free during its life.
 */
export function plan(program: Program<WasmStep>): { readonly offsets: ReadonlyMap<BufferId, number>; readonly bytes: number } {
  const results = resultsOf(program);
  const last = new Map<BufferId, number>();
  const first = new Map<BufferId, number>();
  program.steps.forEach(({ reads, writes }, at) => {
    if (!first.has(writes)) first.set(writes, at);
    for (const id of [...reads, writes]) last.set(id, at);
  });
  const lives = program.buffers
    .filter((spec) => !isKept(spec) && !isConstant(spec))
    .map((spec) => {
      const whole = spec.role.kind !== 'temporary';
      return { id: spec.id, bytes: bytesOf(spec), from: whole ? -1 : (first.get(spec.id) ?? -1), to: whole || results.has(spec.id) ? Infinity : (last.get(spec.id) ?? Infinity) };
    })
    .sort((a, b) => b.bytes - a.bytes || a.from - b.from);
  const placed: ((typeof lives)[number] & { readonly offset: number })[] = [];
  for (const life of lives) {
    const others = placed.filter((other) => other.from <= life.to && life.from <= other.to).sort((a, b) => a.offset - b.offset);
    const offset = others.reduce((free, other) => (other.offset >= free + life.bytes ? free : Math.max(free, other.offset + other.bytes)), 0);
    placed.push({ ...life, offset });
  }
  return {
    offsets: new Map(placed.map(({ id, offset }) => [id, offset])),
    bytes: placed.reduce((most, { offset, bytes }) => Math.max(most, offset + bytes), 0),
  };
}
