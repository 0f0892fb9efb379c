// The plain evaluator as a backend: every operation by itself, on arrays. Slow, obvious, and what the others are tested against.

import type { BufferId, BufferSpec, Model, Program, ReferenceStep } from '../../compiler/5-emit/model.ts';
import type { Backend, ProfiledRun, Session, Tensor } from '../backend.ts';
import type { Checked } from '../numerics.ts';
import { isKept } from './buffers.ts';
import { lookAt, profiledRun, type Observe } from './observe.ts';

export const referenceBackend: Backend<ReferenceStep> = {
  name: 'reference',
  open: async (model, { checkNumerics = false } = {}) => openSession(model, checkNumerics),
};

const count = (spec: BufferSpec): number => spec.shape.reduce((a, b) => a * b, 1);
const make = (spec: BufferSpec): Tensor => (spec.dtype === 'i32' ? new Int32Array(count(spec)) : new Float32Array(count(spec)));

/** A program with what can be worked out once. */
interface Plan {
  readonly program: Program<ReferenceStep>;
  readonly specs: ReadonlyMap<BufferId, BufferSpec>;
  readonly constants: ReadonlyMap<BufferId, Tensor>;
  /** For each step, the temporaries that no later one reads. */
  readonly dying: readonly (readonly BufferId[])[];
}

function planOf(program: Program<ReferenceStep>): Plan {
  const specs = new Map(program.buffers.map((spec) => [spec.id, spec]));
  const constants = program.buffers.flatMap((spec) => (spec.role.kind === 'constant' ? [[spec.id, make(spec).fill(spec.role.value)] as const] : []));
  const lastUse = new Map<BufferId, number>();
  program.steps.forEach((step, i) => [...step.inputs, step.output].forEach((id) => lastUse.set(id, i)));
  const dying: BufferId[][] = program.steps.map(() => []);
  for (const [id, i] of lastUse) if (specs.get(id)?.role.kind === 'temporary') dying[i]?.push(id);
  return { program, specs, constants: new Map(constants), dying };
}

function openSession(model: Model<ReferenceStep>, checkNumerics: boolean): Session {
  const plans = new Map(Object.entries(model.programs).map(([name, program]) => [name, planOf(program)]));
  const kept = new Map<BufferId, Float32Array>();
  for (const { program } of plans.values()) {
    for (const spec of program.buffers) if (isKept(spec) && !kept.has(spec.id)) kept.set(spec.id, new Float32Array(count(spec)));
  }
  const planFor = (name: string): Plan => plans.get(name) ?? missing(`no program ${name}`);
  const keptBuffer = (id: BufferId): Float32Array => kept.get(id) ?? missing(`no weight or state ${id}`);
  return {
    backend: 'reference',
    device: 'one thread of JavaScript',
    run: async (name, feeds, wanted) => {
      const plan = planFor(name);
      return runProgram(plan, kept, feeds, wanted, checkNumerics ? lookAt(name, plan.program, plan.program.steps.map(checkedOf)) : undefined);
    },
    profiler: { clock: 'host', run: async (name, feeds, runs) => Array.from({ length: runs }, () => timed(planFor(name), kept, feeds)) },
    read: async (id) => keptBuffer(id).slice(),
    write: async (id, values) => {
      const buffer = keptBuffer(id);
      checkLength(id, values, buffer.length);
      buffer.set(values);
    },
    dispose: async () => kept.clear(),
  };
}

function missing(what: string): never {
  throw new RangeError(what);
}

function checkLength(id: BufferId, values: ArrayLike<number>, length: number): void {
  if (values.length !== length) throw new RangeError(`${id} has ${length} elements, not ${values.length}`);
}

const checkedOf = ({ name, inputs, output }: ReferenceStep): Checked => ({ step: name, reads: inputs, writes: [output] });

function timed(plan: Plan, kept: ReadonlyMap<BufferId, Float32Array>, feeds: ReadonlyMap<BufferId, Tensor>): ProfiledRun {
  const times: number[] = [];
  runProgram(plan, kept, feeds, [], () => times.push(performance.now()));
  return profiledRun(times);
}

function runProgram(plan: Plan, kept: ReadonlyMap<BufferId, Float32Array>, feeds: ReadonlyMap<BufferId, Tensor>, wanted: readonly BufferId[], observe?: Observe): Map<BufferId, Float32Array> {
  const { program, specs, constants, dying } = plan;
  const values = new Map<BufferId, Tensor>([...constants, ...kept, ...feedsOf(program, feeds)]);
  const value = (id: BufferId): Tensor => values.get(id) ?? missing(`no buffer ${id}`);
  const lasting = new Set([...wanted, ...program.updates.map((update) => update.value)]);
  const pool = createPool();

  observe?.(-1, value);
  program.steps.forEach((step, i) => {
    const out = pool.take(specs.get(step.output) ?? missing(`no buffer ${step.output}`));
    step.run(step.inputs.map(value), out);
    values.set(step.output, out);
    observe?.(i, value);
    for (const id of dying[i] ?? []) {
      if (lasting.has(id)) continue;
      pool.give(value(id));
      values.delete(id);
    }
  });

  // All values are read before any is written: a kept buffer may be the value of another's update.
  const updated = program.updates.map((update) => [value(update.target), kept.has(update.value) ? value(update.value).slice() : value(update.value)] as const);
  for (const [target, source] of updated) target.set(source);
  return new Map(wanted.map((id) => [id, new Float32Array(value(id))]));
}

/** The fed buffers of a program. Throws RangeError where one is missing or has the wrong length. */
function feedsOf(program: Program<ReferenceStep>, feeds: ReadonlyMap<BufferId, Tensor>): [BufferId, Tensor][] {
  const fed = program.buffers.filter(({ role }) => ['input', 'labels', 'scalar', 'random'].includes(role.kind));
  return fed.map((spec) => {
    const feed = feeds.get(spec.id) ?? missing(`no feed for ${spec.id}`);
    checkLength(`the feed for ${spec.id}`, feed, count(spec));
    return [spec.id, feed];
  });
}

/** Arrays that are free again, by length. */
function createPool(): { take(spec: BufferSpec): Tensor; give(array: Tensor): void } {
  const free = new Map<number, Float32Array[]>();
  return {
    take: (spec) => (spec.dtype === 'i32' ? undefined : free.get(count(spec))?.pop()) ?? make(spec),
    give(array) {
      if (!(array instanceof Float32Array)) return;
      const list = free.get(array.length);
      if (list) list.push(array);
      else free.set(array.length, [array]);
    },
  };
}
