// Random small nets as .zz sources: streams with any routes, twins with any stages, plain stacks with norms, dropout and residuals.

import { oneOf, pick, seeded, type Random } from '../gradients/numeric.ts';

const ACTIVATIONS = ['elu', 'relu', 'gelu', 'silu', 'tanh', 'leaky_relu', 'sigmoid', 'softplus'] as const;
const activation = (random: Random): string => oneOf(random, ...ACTIVATIONS);
const list = (count: number, make: (i: number) => string, glue = ' '): string => Array.from({ length: count }, (_, i) => make(i)).join(glue);

/** The source of the net of a seed; equal seeds give equal nets. */
export function randomNet(seed: number): string {
  const random = seeded(seed);
  const body = oneOf(random, streams, twin, stack)(random);
  const auxiliary = random() < 0.3 ? `loss 0.3 * softmax_cross_entropy(features -> dense(4))` : '';
  const optimizer = oneOf(random, 'adam(lr: 1e-3)', 'adamw(lr: 1e-3)', 'amsgrad(lr: 1e-3)', 'rmsprop(lr: 1e-3)', 'sgd(lr: 0.1)', 'sgd(lr: 0.1, momentum: 0.9, nesterov: true)');
  const settings = oneOf(random, '', 'weight_decay 1e-2', 'clip_norm 0.5', 'schedule cosine(warmup: 2)');
  return `net Random {
  input image: [8, 8, 2]
  view mirrored = image -> hflip
  ${body}
  features = joined -> ${oneOf(random, 'avgpool(2)', 'maxpool(2)', 'identity')} -> conv(3, k: ${oneOf(random, 1, 3)}) -> ${activation(random)} -> ${oneOf(random, 'globalavgpool', 'flatten')}
  logits = features -> dense(4)
  output logits
  loss softmax_cross_entropy(logits${oneOf(random, '', ', label_smoothing: 0.1')})
  ${auxiliary}
  train { optimizer ${optimizer} ${settings} }
}
`;
}

/** A net of so many times the channels, over larger images: wide enough that products fall into tiles and blocks. */
export const widened = (source: string, times: number, [height, width]: readonly [number, number]): string =>
  source.replace('[8, 8, 2]', `[${height}, ${width}, 3]`).replace(/conv\((concat\(x, h\), |[xh], )?(\d+)/g, (_, from: string | undefined, channels: string) => `conv(${from ?? ''}${Number(channels) * times}`);

function streams(random: Random): string {
  const names = ['L', 'M', 'R'].slice(0, pick(random, 1, 3));
  const channels = pick(random, 2, 4);
  const term = (from: string): string => oneOf(random, `conv(${from}, ${channels}, k: ${oneOf(random, 1, 3)})`, `conv(${from}, ${channels}, k: 3, bias: true)`);
  const state = oneOf(random, `${term('x')} + ${term('h')}`, `${term('x')} + 0.5 * ${term('h')}`, `conv(concat(x, h), ${channels}, k: 1)`, `${term('x')} * (${term('h')} -> sigmoid) + h`);
  const arm = (name: string): string => `${name} <- ${oneOf(random, name, `${oneOf(random, ...names)} + ${name}`, `0.5 * (${name} + ${oneOf(random, ...names)})`, `${name} - ${oneOf(random, ...names)}`)}`;
  const route = (): string => oneOf(random, 'straight', ...(names.length > 1 ? ['zigzag'] : []), `(${names.map(arm).join(', ')})`);
  const steps = list(pick(random, 2, 4), () => `step ${oneOf(random, 'image', 'mirrored')}: ${route()}`);
  const shared = random() < 0.3 ? ' shared' : '';
  return `cell C(x, h) { ${activation(random)}(${state}) }
  streams ${names.join(', ')} of C${shared} { ${steps} }
  joined = ${oneOf(random, `concat(${[...names, `${names[0]}[0]`].join(', ')})`, names.join(' + '), `concat(${names.join(', ')}, image)`)}`;
}

function twin(random: Random): string {
  const names = ['L', 'M', 'R'].slice(0, pick(random, 2, 3));
  const channels = pick(random, 2, 4);
  const layer = (): string => `conv(${channels}, k: ${oneOf(random, 1, 3)}) -> ${activation(random)}`;
  const stage = (): string => oneOf(random, `both ${layer()}`, `both ${layer()} shared`, `${names[0]} ${layer()}`, `both ${layer()} cross ${oneOf(random, 'swap', 'mean', 'add', 'concat')}`, `both ${layer()} cross (${names.map((name) => `${name} <- ${name} + ${oneOf(random, ...names)}`).join(', ')})`);
  return `a = image -> conv(${channels}, k: 3) -> ${activation(random)}
  b = mirrored -> conv(${channels}, k: 3) -> ${activation(random)}
  twin ${names.join(', ')} from ${names.map(() => oneOf(random, 'a', 'b')).join(', ')} { both ${layer()} ${list(pick(random, 1, 3), stage)} both ${layer()} }
  joined = concat(${names.join(', ')})`;
}

function stack(random: Random): string {
  const channels = 2 * pick(random, 1, 2);
  const norm = (): string => oneOf(random, 'identity', 'batchnorm', 'layernorm', 'groupnorm(groups: 2)', 'dropout(0.3)');
  const block = (i: number): string => `x${i + 1} = ${oneOf(random, '', `x${i} + `)}(x${i} -> conv(${channels}, k: 3) -> ${norm()} -> ${activation(random)})`;
  const count = pick(random, 1, 3);
  return `x0 = concat(image, mirrored) -> conv(${channels}, k: 3) -> ${norm()} -> ${activation(random)}
  ${list(count, block, '\n  ')}
  joined = x${count}`;
}
