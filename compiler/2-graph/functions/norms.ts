// Normalisation, dropout and losses.

import { int, number, or, value } from '../build/arguments.ts';
import { Refusal } from '../build/context.ts';
import { define, lastDim } from '../build/define.ts';
import type { Maker, WeightSpec } from '../build/maker.ts';
import type { ValueId } from '../graph.ts';
import { sameShape, showShape } from '../types.ts';

const norm = define('normalisation');
const loss = define('loss');
const eps = or(number({ above: 0 }), 1e-5, '1e-5');

interface Moments {
  readonly mean: ValueId;
  readonly variance: ValueId;
}

const mean = (m: Maker, x: ValueId, axes: readonly number[]): ValueId => m.op('reduce_mean', [x], { axes, keep: true });

/** Mean and (biased) variance over axes. */
function moments(m: Maker, x: ValueId, axes: readonly number[]): Moments {
  const centre = mean(m, x, axes);
  return { mean: centre, variance: mean(m, m.op('square', [m.op('sub', [x, centre], {})], {}), axes) };
}

/** (x - mean) / sqrt(variance + eps) */
function standardise(m: Maker, x: ValueId, { mean: centre, variance }: Moments, epsilon: number): ValueId {
  const deviation = m.op('sqrt', [m.op('add', [variance, m.number(epsilon)], {})], {});
  return m.op('div', [m.op('sub', [x, centre], {}), deviation], {});
}

/** gamma * x + beta, with a gamma and a beta for each channel. */
function rescale(m: Maker, weight: (spec: WeightSpec) => ValueId, x: ValueId): { y: ValueId; gamma: ValueId } {
  const shape = [lastDim(m.shape(x), 'a norm')];
  const gamma = weight({ role: 'gamma', shape, init: { init: 'ones' } });
  const beta = weight({ role: 'beta', shape, init: { init: 'zeros' } });
  return { gamma, y: m.op('add', [m.op('mul', [x, gamma], {}), beta], {}) };
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
      const weight = m.weighted();
      const gamma = weight({ role: 'gamma', shape: [channels], init: { init: 'ones' } });
      const beta = weight({ role: 'beta', shape: [channels], init: { init: 'zeros' } });
      const running = { mean: m.state(gamma, 'mean', 0), variance: m.state(gamma, 'var', 1) };
      const used = m.training ? moments(m, a.x, axesBut(rank, rank - 1)) : running;
      const y = standardise(m, a.x, used, a.eps);
      if (m.training) {
        follow(m, running.mean, used.mean, a.momentum);
        follow(m, running.variance, used.variance, a.momentum);
      }
      return m.op('add', [m.op('mul', [y, gamma], {}), beta], {});
    },
  ),
  layernorm: norm({ x: value, eps }, 'Each pixel (or row) minus its mean over the channels, by its standard deviation, then scaled and shifted.', (m, a) => {
    lastDim(m.shape(a.x), 'layernorm');
    const y = standardise(m, a.x, moments(m, a.x, [m.shape(a.x).length - 1]), a.eps);
    return rescale(m, m.weighted(), y).y;
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
      const y = standardise(m, grouped, moments(m, grouped, axesBut(shape.length + 1, 0, shape.length - 1)), a.eps);
      return rescale(m, m.weighted(), m.op('reshape', [y], { shape })).y;
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
