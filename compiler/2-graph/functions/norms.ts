// Normalisation, dropout and losses.

import { int, number, or, value } from '../build/arguments.ts';
import { Refusal } from '../build/context.ts';
import { define, lastDim } from '../build/define.ts';
import type { Maker } from '../build/maker.ts';
import type { ValueId } from '../graph.ts';
import { sameShape, showShape } from '../types.ts';

const norm = define('normalisation');
const loss = define('loss');
const eps = or(number({ above: 0 }), 1e-5, '1e-5');

interface Moments {
  readonly mean: ValueId;
  readonly variance: ValueId;
  /** x - mean */
  readonly centred: ValueId;
}

const mean = (m: Maker, x: ValueId, axes: readonly number[]): ValueId => m.op('reduce_mean', [x], { axes, keep: true });

/** Mean and (biased) variance over axes. */
function moments(m: Maker, x: ValueId, axes: readonly number[]): Moments {
  const centre = mean(m, x, axes);
  const centred = m.op('sub', [x, centre], {});
  return { mean: centre, centred, variance: mean(m, m.op('square', [centred], {}), axes) };
}

/** (x - mean) / sqrt(variance + eps) */
function standardise(m: Maker, { centred, variance }: Omit<Moments, 'mean'>, epsilon: number): ValueId {
  return m.op('div', [centred, m.op('sqrt', [m.op('add', [variance, m.number(epsilon)], {})], {})], {});
}

const rescaled = (m: Maker, x: ValueId, gamma: ValueId, beta: ValueId): ValueId => m.op('add', [m.op('mul', [x, gamma], {}), beta], {});

/** A gamma and a beta for each channel, which start as the identity. */
function scaleAndShift(m: Maker, channels: number): readonly [gamma: ValueId, beta: ValueId] {
  const weight = m.weighted();
  const make = (role: string, init: 'ones' | 'zeros'): ValueId => weight({ role, shape: [channels], init: { init } });
  return [make('gamma', 'ones'), make('beta', 'zeros')];
}

/** Moves a running statistic towards the batch's: momentum * old + (1 - momentum) * batch. */
function follow(m: Maker, state: ValueId, batch: ValueId, momentum: number): void {
  const old = m.op('mul', [m.latest(state), m.number(momentum)], {});
  const flat = m.op('reshape', [batch], { shape: m.shape(state) });
  m.update(state, m.op('add', [old, m.op('mul', [flat, m.number(1 - momentum)], {})], {}), batch);
}

const axesBut = (rank: number, ...kept: readonly number[]): number[] => Array.from({ length: rank }, (_, i) => i).filter((i) => !kept.includes(i));

export const NORMS = {
  batchnorm: norm(
    { x: value, momentum: or(number({ min: 0, max: 1 }), 0.9), eps },
    'Each channel minus its mean over the batch, by its standard deviation, then scaled and shifted; running statistics when evaluating.',
    (m, a) => {
      const rank = m.shape(a.x).length;
      const channels = lastDim(m.shape(a.x), 'batchnorm');
      if (rank < 2) throw new Refusal('ZZ3002', `batchnorm takes [batch,...,channels], found ${showShape(m.shape(a.x))}`);
      const [gamma, beta] = scaleAndShift(m, channels);
      const running = { mean: m.state(gamma, 'mean', 0), variance: m.state(gamma, 'var', 1) };
      if (!m.training) {
        const y = standardise(m, { centred: m.op('sub', [a.x, running.mean], {}), variance: running.variance }, a.eps);
        return rescaled(m, y, gamma, beta);
      }
      const batch = moments(m, a.x, axesBut(rank, rank - 1));
      const y = standardise(m, batch, a.eps);
      follow(m, running.mean, batch.mean, a.momentum);
      follow(m, running.variance, batch.variance, a.momentum);
      return rescaled(m, y, gamma, beta);
    },
  ),
  layernorm: norm({ x: value, eps }, 'Each pixel (or row) minus its mean over the channels, by its standard deviation, then scaled and shifted.', (m, a) => {
    const channels = lastDim(m.shape(a.x), 'layernorm');
    const y = standardise(m, moments(m, a.x, [m.shape(a.x).length - 1]), a.eps);
    return rescaled(m, y, ...scaleAndShift(m, channels));
  }),
  groupnorm: norm(
    { x: value, groups: int({ min: 1, max: 65_536 }), eps },
    'As layernorm, over groups of channels and all of the image.',
    (m, a) => {
      const shape = m.shape(a.x);
      const channels = lastDim(shape, 'groupnorm');
      const groups = m.groups(a.groups, channels);
      if (channels % groups !== 0) throw new Refusal('ZZ3005', `${groups} groups do not divide the ${channels} channels of ${showShape(shape)}`);
      if (shape.length < 2) throw new Refusal('ZZ3002', `groupnorm takes [batch,...,channels], found ${showShape(shape)}`);
      const grouped = m.op('reshape', [a.x], { shape: [...shape.slice(0, -1), groups, channels / groups] });
      const y = standardise(m, moments(m, grouped, axesBut(shape.length + 1, 0, shape.length - 1)), a.eps);
      return rescaled(m, m.op('reshape', [y], { shape }), ...scaleAndShift(m, channels));
    },
  ),
  dropout: norm({ x: value, p: or(number({ min: 0, below: 1 }), 0.5) }, 'While training, zeros with probability p, the rest scaled by 1 / (1 - p).', (m, a) => {
    if (!m.training || a.p === 0) return m.op('identity', [a.x], {});
    // The random numbers are multiples of 2^-24 from 0: half a step below p makes "above" mean "at least".
    const kept = m.op('greater', [m.random(m.shape(a.x)), m.number(a.p - 2 ** -25)], {});
    return m.op('mul', [a.x, m.op('mul', [kept, m.number(1 / (1 - a.p))], {})], {});
  }),

  softmax_cross_entropy: loss(
    { logits: value, label_smoothing: or(number({ min: 0, below: 1 }), 0) },
    'Mean cross-entropy of class scores [batch, classes] with the labels of the data set.',
    (m, a) => {
      const shape = m.shape(a.logits);
      const [batch] = shape;
      if (shape.length !== 2 || batch === undefined) throw new Refusal('ZZ3012', `logits are [batch,classes], found ${showShape(shape)}`);
      const labels = m.labels(batch);
      m.classify(a.logits, labels);
      return m.op('softmax_cross_entropy', [a.logits, labels], { label_smoothing: a.label_smoothing });
    },
  ),
  mse: loss({ value, target: value }, 'Mean of the squared differences; the target has the value\'s shape, or is a number.', (m, a) => {
    const [left, right] = [m.shape(a.value), m.shape(a.target)];
    if (right.length > 0 && !sameShape(left, right)) throw new Refusal('ZZ3001', `the value is ${showShape(left)}, the target ${showShape(right)}`);
    const squared = m.op('square', [m.op('sub', [a.value, a.target], {})], {});
    return m.op('reduce_mean', [squared], { axes: axesBut(left.length), keep: false });
  }),
};
