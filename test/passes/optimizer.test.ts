// Optimisers and schedules over many steps, against PyTorch's documented algorithms written out one number at a time.

import { describe, expect, test } from 'vitest';
import type { Graph, OptimizerSettings, ScheduleSettings, TrainSettings } from '../../compiler/2-graph/graph.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { autodiff } from '../../compiler/3-passes/autodiff.ts';
import { optimizer } from '../../compiler/3-passes/optimizer.ts';
import { build, draws, graphOf, relativeError, seeded, TRAIN } from '../gradients/numeric.ts';

type Settings = Pick<TrainSettings, 'optimizer' | 'schedule' | 'weightDecay' | 'clipNorm'>;
const SHAPES = { 'w.1': [2, 3], 'b.1': [3], 'w.2': [] } as const;
const DECAYS = { 'w.1': true, 'b.1': false, 'w.2': true } as const;
type Name = keyof typeof SHAPES;
const NAMES = Object.keys(SHAPES) as Name[];
const STEPS_PER_EPOCH = 4;
const TOTAL = 12;

/** loss = sum of w * g, so that g is the gradient of w, whatever it is fed. */
function training(settings: Partial<Settings>): Graph {
  const b = build();
  const terms = NAMES.map((name) => {
    const shape = SHAPES[name];
    b.add('weight', [], { name, shape, init: 'zeros', std: 0, decay: DECAYS[name] }, { id: name });
    b.add('state', [], { name: `g.${name}`, shape, value: 0 }, { id: `g.${name}` });
    return b.add('reduce_sum', [b.add('mul', [name, `g.${name}`], {})], { axes: shape.map((_, axis) => axis), keep: false });
  });
  const loss = terms.reduce((x, y) => b.add('add', [x, y], {}));
  const graph = optimizer.run(autodiff.run(graphOf(b, { loss, train: { ...TRAIN, ...settings } })));
  verify(graph);
  return graph;
}

type Values = Map<string, Float64Array>;

/** The weights after every step of the graph's updates. */
function trained(graph: Graph, start: Values, gradients: readonly Values[], precision: 'f32' | 'f64'): Values[] {
  let kept: Map<string, ArrayLike<number>> = new Map([...start]);
  for (const node of graph.nodes) if (node.kind === 'state' && !node.id.startsWith('g.')) kept.set(node.id, new Float64Array(node.attrs.shape.reduce((a, b) => a * b, 1)));
  return gradients.map((gradient, step) => {
    const scalars = { 'run.step': step, 'run.steps_per_epoch': STEPS_PER_EPOCH, 'run.total_steps': TOTAL };
    const feeds = new Map<string, ArrayLike<number>>([...kept, ...[...gradient].map(([name, g]) => [`g.${name}`, g] as const), ...Object.entries(scalars).map(([name, value]) => [name, [value]] as const)]);
    const results = evaluate(graph, feeds, { precision, wanted: graph.updates.map(({ value }) => value) });
    kept = new Map([...kept, ...graph.updates.map(({ target, value }) => [target, results.get(value) ?? []] as const)]);
    return new Map(NAMES.map((name) => [name, Float64Array.from(kept.get(name) ?? [])]));
  });
}

/** torch.optim's algorithms for one number; a new closure holds one number's state. */
function torch(settings: OptimizerSettings, decay: number): (p: number, g: number, lr: number, t: number) => number {
  let [m, v, vMax] = [0, 0, 0];
  let buffer: number | undefined;
  return (p, g, lr, t) => {
    if (settings.kind === 'sgd') {
      if (decay !== 0) g += decay * p;
      if (settings.momentum !== 0) {
        buffer = buffer === undefined ? g : settings.momentum * buffer + g;
        g = settings.nesterov ? g + settings.momentum * buffer : buffer;
      }
      return p - lr * g;
    }
    if (settings.kind === 'rmsprop') {
      if (decay !== 0) g += decay * p;
      v = settings.alpha * v + (1 - settings.alpha) * g * g;
      g /= Math.sqrt(v) + settings.eps;
      if (settings.momentum !== 0) g = buffer = settings.momentum * (buffer ?? 0) + g;
      return p - lr * g;
    }
    const { beta1, beta2, eps } = settings;
    if (settings.kind === 'adamw') p -= lr * decay * p;
    else if (decay !== 0) g += decay * p;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const mHat = m / (1 - beta1 ** t);
    if (settings.kind !== 'amsgrad') return p - (lr * mHat) / (Math.sqrt(v / (1 - beta2 ** t)) + eps);
    vMax = Math.max(vMax, v);
    return p - (lr * mHat) / (Math.sqrt(vMax / (1 - beta2 ** t)) + eps);
  };
}

/** The learning-rate factor at a step counted from 0. */
function factor(schedule: ScheduleSettings, step: number): number {
  switch (schedule.kind) {
    case 'constant':
      return 1;
    case 'cosine': {
      if (step < schedule.warmup) return (step + 1) / schedule.warmup;
      return 0.5 * (1 + Math.cos((Math.PI * (step - schedule.warmup)) / Math.max(TOTAL - schedule.warmup, 1)));
    }
    case 'step': {
      const epoch = Math.floor(step / STEPS_PER_EPOCH);
      return schedule.factor ** Math.floor(epoch / schedule.every);
    }
    case 'inverse':
      return 1 / (1 + schedule.rate * step);
  }
}

function expected({ optimizer: settings, schedule, weightDecay, clipNorm }: Settings, start: Values, gradients: readonly Values[]): Values[] {
  const rules = new Map(NAMES.map((name) => [name, Array.from(start.get(name) ?? [], () => torch(settings, DECAYS[name] ? weightDecay : 0))]));
  let weights = start;
  return gradients.map((gradient, step) => {
    const norm = Math.hypot(...[...gradient.values()].flatMap((g) => [...g]));
    const clip = clipNorm > 0 ? Math.min(1, clipNorm / (norm + 1e-6)) : 1;
    const lr = settings.lr * factor(schedule, step);
    weights = new Map(NAMES.map((name) => {
      const g = gradient.get(name) as Float64Array;
      return [name, (weights.get(name) as Float64Array).map((p, i) => rules.get(name)?.[i]?.(p, (g[i] as number) * clip, lr, step + 1) ?? NaN)];
    }));
    return weights;
  });
}

const random = seeded(3);
const randomValues = (scale: number): Values => new Map(NAMES.map((name) => [name, draws(SHAPES[name].reduce((a: number, b) => a * b, 1), random, -scale, scale)]));
const START = randomValues(1);
/** Large at first, then small: amsgrad's largest moment stays behind, and clipping acts on some steps only. */
const GRADIENTS = Array.from({ length: TOTAL }, (_, step) => randomValues(step < 4 ? 2 : 0.1));

const ADAM = { kind: 'adam', lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;
const OPTIMIZERS: Readonly<Record<string, OptimizerSettings>> = {
  adam: ADAM,
  'adam of the article': { ...ADAM, lr: 8e-5, beta2: 0.9 },
  'adam without a first moment': { ...ADAM, beta1: 0 },
  adamw: { ...ADAM, kind: 'adamw' },
  amsgrad: { ...ADAM, kind: 'amsgrad', beta2: 0.9 },
  rmsprop: { kind: 'rmsprop', lr: 0.01, alpha: 0.99, eps: 1e-8, momentum: 0 },
  'rmsprop with momentum': { kind: 'rmsprop', lr: 0.01, alpha: 0.9, eps: 1e-3, momentum: 0.8 },
  sgd: { kind: 'sgd', lr: 0.1, momentum: 0, nesterov: false },
  'sgd with momentum': { kind: 'sgd', lr: 0.1, momentum: 0.9, nesterov: false },
  'sgd with Nesterov momentum': { kind: 'sgd', lr: 0.1, momentum: 0.9, nesterov: true },
};
const SCHEDULES: Readonly<Record<string, ScheduleSettings>> = {
  constant: { kind: 'constant' },
  cosine: { kind: 'cosine', warmup: 0 },
  'cosine after a warm-up': { kind: 'cosine', warmup: 3 },
  'cosine that is all warm-up': { kind: 'cosine', warmup: 20 },
  'step every epoch': { kind: 'step', every: 1, factor: 0.5 },
  'step every second epoch': { kind: 'step', every: 2, factor: 0.1 },
  inverse: { kind: 'inverse', rate: 0.3 },
};

function compare(settings: Settings, precision: 'f32' | 'f64', tolerance: number): void {
  const found = trained(training(settings), START, GRADIENTS, precision);
  const wanted = expected(settings, START, GRADIENTS);
  wanted.forEach((weights, step) => {
    for (const name of NAMES) {
      const [got, want, before] = [found[step]?.get(name) ?? [], weights.get(name) ?? [], START.get(name) ?? []];
      // The way gone, not where it ends: the start would hide an error in it.
      const moved = (at: ArrayLike<number>): number[] => Array.from(at, (p, i) => p - (before[i] as number));
      expect(relativeError(moved(got), moved(want)), `${name} after step ${step + 1}`).toBeLessThan(tolerance);
    }
  });
}

const PLAIN = { schedule: { kind: 'constant' }, weightDecay: 0, clipNorm: 0 } as const;

describe('twelve steps in float64', () => {
  for (const [name, settings] of Object.entries(OPTIMIZERS)) {
    test(`${name}`, () => compare({ ...PLAIN, optimizer: settings }, 'f64', 1e-9));
    test(`${name}, with decay`, () => compare({ ...PLAIN, optimizer: settings, weightDecay: 0.1 }, 'f64', 1e-9));
    test(`${name}, with decay, clipping and a schedule`, () => {
      compare({ optimizer: settings, schedule: { kind: 'cosine', warmup: 2 }, weightDecay: 0.05, clipNorm: 1 }, 'f64', 1e-9);
    });
  }
  for (const [name, schedule] of Object.entries(SCHEDULES)) {
    test(`schedule: ${name}`, () => compare({ ...PLAIN, optimizer: ADAM, schedule }, 'f64', 1e-9));
  }
});

test('twelve steps in f32 stay near', () => {
  // A weight near 1 is rounded by up to 6e-8 a step, and goes about 0.02 (with the small rate 2e-4) of the way in all.
  for (const settings of Object.values(OPTIMIZERS)) {
    compare({ optimizer: settings, schedule: { kind: 'step', every: 1, factor: 0.5 }, weightDecay: 0.1, clipNorm: 1 }, 'f32', settings.lr < 1e-3 ? 3e-3 : 3e-5);
  }
});

test('bias correction keeps its digits in f32 at the first steps of a slow moment', () => {
  // With 1 - beta^t computed as 1 - 0.999999^1 in f32 the first step would be some per cent off.
  compare({ ...PLAIN, optimizer: { ...ADAM, lr: 0.1, beta2: 0.999999 } }, 'f32', 1e-5);
});

describe('the learning rate over a long run, in f32', () => {
  /** The rate by which sgd moves a weight of gradient 1. */
  function rates(schedule: ScheduleSettings, steps: readonly number[], perEpoch: number, total: number): number[] {
    const graph = training({ optimizer: { kind: 'sgd', lr: 1, momentum: 0, nesterov: false }, schedule });
    const update = graph.updates.find(({ target }) => target === 'w.2')?.value ?? '';
    const zero = new Map<string, ArrayLike<number>>([...NAMES, ...NAMES.map((name) => `g.${name}`)].map((id) => [id, new Float64Array(SHAPES[id.replace('g.', '') as Name].reduce((a: number, b) => a * b, 1))]));
    return steps.map((step) => {
      const feeds = new Map([...zero, ['g.w.2', [-1]], ['run.step', [step]], ['run.steps_per_epoch', [perEpoch]], ['run.total_steps', [total]]] as [string, ArrayLike<number>][]);
      return evaluate(graph, feeds, { precision: 'f32', wanted: [update] }).get(update)?.[0] ?? NaN;
    });
  }

  test('drops exactly at the first step of an epoch, for any number of steps an epoch', () => {
    for (const perEpoch of [1, 3, 7, 49, 1563]) {
      for (const epoch of [1, 3, 10, 21]) {
        const [last, first] = rates({ kind: 'step', every: 1, factor: 0.5 }, [epoch * perEpoch - 1, epoch * perEpoch], perEpoch, 1e6);
        expect(last).toBeCloseTo(0.5 ** (epoch - 1), 6);
        expect(first).toBeCloseTo(0.5 ** epoch, 6);
      }
    }
  });

  test('a factor of 0 stops the training, and not before', () => {
    expect(rates({ kind: 'step', every: 2, factor: 0 }, [0, 19, 20, 40], 10, 100)).toEqual([1, 1, 0, 0]);
  });

  test('cosine starts at one step of the warm-up, peaks after it, and never goes below zero or up again', () => {
    const found = rates({ kind: 'cosine', warmup: 10 }, [0, 9, 10, 55, 100, 150], 10, 100);
    [0.1, 1, 1, 0.5, 0, 0].forEach((want, i) => expect(found[i]).toBeCloseTo(want, 6));
  });
});

describe('the graph', () => {
  const settings = { ...PLAIN, optimizer: { ...ADAM, kind: 'amsgrad' as const } };

  test('has a state for each moment of each weight, which the update sets together with the weight', () => {
    const graph = training(settings);
    expect(graph.nodes.filter((node) => node.kind === 'state' && !node.id.startsWith('g.')).map((node) => node.id).sort()).toEqual(
      NAMES.flatMap((name) => [`m.${name}`, `v.${name}`, `vmax.${name}`]).sort(),
    );
    expect(graph.updates.map(({ target }) => target)).toEqual(NAMES.flatMap((name) => [name, `m.${name}`, `v.${name}`, `vmax.${name}`]));
    expect(graph.nodes.filter((node) => node.tags.phase === 'update').length).toBeGreaterThan(0);
  });

  test('computes what is the same for all weights once', () => {
    const count = (graph: Graph, kind: string): number => graph.nodes.filter((node) => node.kind === kind).length;
    const graph = training({ optimizer: { ...ADAM, kind: 'adamw' }, weightDecay: 0.1, clipNorm: 1, schedule: { kind: 'cosine', warmup: 5 } });
    expect([count(graph, 'expm1'), count(graph, 'cos'), count(graph, 'scalar')]).toEqual([2, 1, 2]);
  });

  test('leaves graphs without gradients alone, and a weight that has none untouched', () => {
    const b = build();
    b.add('weight', [], { name: 'w', shape: [2], init: 'zeros', std: 0, decay: true }, { id: 'w' });
    b.add('weight', [], { name: 'u', shape: [], init: 'zeros', std: 0, decay: true }, { id: 'u' });
    const graph = graphOf(b);
    expect(optimizer.run(graph)).toBe(graph);
    const trainedGraph = optimizer.run(autodiff.run({ ...graphOf(b, { loss: b.add('square', ['u'], {}) }), nodes: b.nodes() }));
    expect(trainedGraph.updates.map(({ target }) => target)).toEqual(['u']);
  });

  test('keeps the updates that were there', () => {
    const b = build();
    b.add('weight', [], { name: 'w', shape: [], init: 'zeros', std: 0, decay: true }, { id: 'w' });
    b.add('state', [], { name: 'mean.1', shape: [], value: 0 }, { id: 'mean.1' });
    const loss = b.add('square', ['w'], {});
    const graph = optimizer.run(autodiff.run(graphOf(b, { loss, updates: [{ target: 'mean.1', value: loss }] })));
    expect(graph.updates[0]).toEqual({ target: 'mean.1', value: loss });
    expect(graph.updates).toHaveLength(2);
  });
});
