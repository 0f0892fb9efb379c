// Weights and states of a compiled model, on a device that has those programs that were asked for so far: a model that only predicts needs no room for training.

import type { ProgramName } from '../../compiler/5-emit/artefact.ts';
import type { BufferId, BufferSpec, Model } from '../../compiler/5-emit/model.ts';
import type { Session, Tensor } from '../backend.ts';
import { persistent } from '../checkpoint.ts';
import type { StoredTensor } from '../safetensors.ts';

export interface Opened {
  readonly model: Model;
  readonly session: Session;
}

export interface Holder {
  /** Runs a program, and opens it first where that was not done yet. */
  readonly run: (program: ProgramName, feeds: ReadonlyMap<BufferId, Tensor>, wanted: readonly BufferId[]) => Promise<ReadonlyMap<BufferId, Float32Array>>;
  /** All weights and states. */
  readonly read: () => Promise<ReadonlyMap<BufferId, StoredTensor>>;
  /** Replaces weights and states; each is among `specs`. */
  readonly write: (values: ReadonlyMap<BufferId, Float32Array>) => Promise<void>;
  readonly session: () => Pick<Session, 'backend' | 'device'>;
  readonly dispose: () => Promise<void>;
}

/** Holds the values of the buffers `specs`, and opens the program `first`. */
export async function createHolder(open: (names: readonly ProgramName[]) => Promise<Opened>, specs: readonly BufferSpec[], values: ReadonlyMap<BufferId, Float32Array>, first: ProgramName): Promise<Holder> {
  /** What the device does not hold; of the rest, what was written last. */
  const kept = new Map(values);
  let names: readonly ProgramName[] = [first];
  let { model, session } = await open(names);
  try {
    await put();
  } catch (error) {
    await session.dispose();
    throw error;
  }

  async function put(): Promise<void> {
    for (const { id } of persistent(model)) await session.write(id, kept.get(id) ?? new Float32Array());
  }
  async function collect(): Promise<void> {
    for (const { id } of persistent(model)) kept.set(id, await session.read(id));
  }
  async function need(name: ProgramName): Promise<void> {
    if (names.includes(name)) return;
    await collect();
    await session.dispose();
    try {
      ({ model, session } = await open([...names, name]));
      names = [...names, name];
    } catch (error) {
      // What worked before works again.
      ({ model, session } = await open(names));
      await put();
      throw error;
    }
    await put();
  }

  return {
    async run(program, feeds, wanted) {
      await need(program);
      return session.run(program, feeds, wanted);
    },
    async read() {
      await collect();
      return new Map(specs.map(({ id, shape }) => [id, { shape, data: kept.get(id) ?? new Float32Array() }]));
    },
    async write(replaced) {
      for (const [id, data] of replaced) kept.set(id, data);
      await put();
    },
    session: () => session,
    dispose: () => session.dispose(),
  };
}
