// A model of one weight and a session that trains it by plain arithmetic, so that the trainer is tested without any compiler.

import type { BufferSpec, Model, Program } from '../../compiler/5-emit/model.ts';
import type { Session, Tensor } from '../../runtime/backend.ts';
import type { Batches } from '../../runtime/data/batches.ts';
import type { Selection } from '../../runtime/data/loader.ts';
import { hash, toUnit } from '../../runtime/random.ts';

const CLASSES = 3;

const buffer = (id: string, shape: number[], role: BufferSpec['role'], dtype: BufferSpec['dtype'] = 'f32'): BufferSpec => ({ id, dtype, shape, role });

const program = (batch: number): Program<string> => ({
  batch,
  buffers: [
    buffer('image', [batch, 2], { kind: 'input', view: 'image' }),
    buffer('labels', [batch], { kind: 'labels' }, 'i32'),
    buffer('w.1', [2], { kind: 'weight', init: 'ones', std: 0 }),
    buffer('m.w.1', [2], { kind: 'state', value: 0.5 }),
    buffer('7', [], { kind: 'scalar', name: 'step' }),
    buffer('8', [], { kind: 'scalar', name: 'total_steps' }),
    buffer('9', [4], { kind: 'random', salt: 5 }),
    buffer('scores', [batch, CLASSES], { kind: 'temporary' }),
    buffer('loss', [], { kind: 'temporary' }),
    buffer('correct', [], { kind: 'temporary' }),
  ],
  steps: [],
  outputs: [],
  loss: 'loss',
  logits: 'scores',
  correct: 'correct',
  updates: [],
  views: [{ name: 'image', parts: [{ source: 'image', steps: [] }] }],
});

export const fakeModel = (options: { batch?: number; rest?: number; epochs?: number; seed?: number } = {}): Model<string> => {
  const { batch = 4, rest = 3, epochs = 3, seed = 1 } = options;
  return {
    net: 'Fake',
    train: {
      dataset: 'synthetic', optimizer: { kind: 'sgd', lr: 0.1, momentum: 0, nesterov: false }, schedule: { kind: 'constant' },
      batch, epochs, seed, normalize: 'none', weightDecay: 0, clipNorm: 0,
    },
    programs: { train: program(batch), evaluate: program(batch), 'evaluate-rest': program(rest) },
  };
};

export interface Ran {
  readonly program: string;
  readonly feeds: ReadonlyMap<string, Tensor>;
  readonly wanted: readonly string[];
}

/** Its weights move by what it is fed, so a wrong or missing step changes every later loss. */
export function fakeSession(options: { onRun?: (ran: Ran, count: number) => void; lossAt?: (count: number) => number | undefined } = {}): Session & { readonly runs: Ran[] } {
  const store = new Map<string, Float32Array>([['w.1', new Float32Array(2)], ['m.w.1', new Float32Array(2)]]);
  const runs: Ran[] = [];
  const stored = (id: string): Float32Array => store.get(id) ?? new Float32Array();
  return {
    backend: 'fake',
    device: 'arithmetic',
    runs,
    async run(name, feeds, wanted) {
      runs.push({ program: name, feeds, wanted });
      options.onRun?.({ program: name, feeds, wanted }, runs.length);
      const weight = stored('w.1');
      const moment = stored('m.w.1');
      const image = [...(feeds.get('image') ?? [])];
      const labels = [...(feeds.get('labels') ?? [])];
      const random = feeds.get('9') ?? new Float32Array();
      const step = feeds.get('7')?.[0] ?? 0;
      const mean = image.reduce((a, b) => a + b, 0) / image.length;
      const loss = Math.abs(mean * (weight[0] ?? 0) - (weight[1] ?? 0)) + 1e-3 * step + (random[0] ?? 0) / 100;
      const correct = labels.filter((label) => label === 0).length;
      if (name === 'train') {
        for (let i = 0; i < 2; i++) {
          moment[i] = 0.9 * (moment[i] ?? 0) + 0.1 * loss;
          weight[i] = (weight[i] ?? 0) - 0.05 * (moment[i] ?? 0) * (random[i] ?? 0);
        }
      }
      const scores = Float32Array.from({ length: labels.length * CLASSES }, (_, i) => (i % CLASSES === (labels[Math.floor(i / CLASSES)] === 2 ? 1 : 0) ? 1 : 0));
      const values: Record<string, Float32Array> = { loss: Float32Array.of(options.lossAt?.(runs.length) ?? loss), correct: Float32Array.of(correct), scores };
      return new Map(wanted.map((id) => [id, values[id] ?? new Float32Array()]));
    },
    read: async (id) => stored(id).slice(),
    async write(id, values) {
      store.set(id, values.slice());
    },
    dispose: async () => undefined,
  };
}

const TEST = 1000;

/** Five steps an epoch; the test split is 4 + 4 + 3 images. A batch's pixels and labels follow from its order. */
export const fakeBatches = (size = 4): Batches => {
  const selection = (split: Selection['split'], order: number, count = size): Selection => ({ split, order, start: 0, batch: size, count });
  const labelsOf = ({ order, batch }: Selection): Int32Array => Int32Array.from({ length: batch }, (_, i) => hash(order, i, 9) % CLASSES);
  return {
    stepsPerEpoch: 5,
    testImages: 2 * size + 3,
    statistics: {},
    train: (step) => selection('train', step),
    test: () => [selection('test', TEST), selection('test', TEST + 1), selection('test', TEST + 2, 3)],
    members: (chosen) => ({ indices: Uint32Array.from({ length: chosen.batch }, (_, i) => i), labels: labelsOf(chosen) }),
    images: (chosen) => ({
      inputs: new Map([['image', Float32Array.from({ length: 2 * chosen.batch }, (_, i) => toUnit(hash(chosen.order, i)))]]),
      labels: labelsOf(chosen),
    }),
  };
};
