// Emitted PyTorch files against the evaluator: loss, outputs, every gradient, and the weights after two steps of the optimiser.

import { beforeAll, describe, expect, test } from 'vitest';
import type { StoredTensor } from '../../runtime/safetensors.ts';
import { EXAMPLES } from '../gradients/examples.ts';
import { relativeError } from '../kernels/cases.ts';
import { example } from '../passes/nets.ts';
import { missing, netOf, prepare, runPyTorch, skipped } from './harness.ts';
import type { Prepared } from './harness.ts';

/**
 * PyTorch in float32 against doubles. Adam's steps are of one size however small a gradient is, so rounding shows in what it makes of weights;
 * a batch normalisation of few images takes differences of nearly equal numbers.
 */
const tolerance = (name: string, key: string): number => (key.startsWith('after.') || /norm|residual/.test(name) ? 1e-3 : 1e-5);

const NETS: Readonly<Record<string, () => Prepared>> = Object.fromEntries(EXAMPLES.map((name) => {
  const [file = '', net = ''] = name.split(':');
  // Dropout draws PyTorch's own numbers, so nothing is dropped.
  const source = example(file).replace(/dropout\([^)]*\)/g, 'dropout(0)');
  return [name, () => prepare(netOf(source, net === '' ? undefined : net, 0.08), 4)];
}));

describe.skipIf(missing)(`PyTorch gives the evaluator's numbers${skipped}`, () => {
  const prepared: Record<string, Prepared> = {};
  let results: Map<string, ReadonlyMap<string, StoredTensor>>;
  beforeAll(async () => {
    for (const [name, make] of Object.entries(NETS)) prepared[name] = make();
    results = await runPyTorch(prepared);
  }, 120_000);
  for (const name of Object.keys(NETS)) {
    test(name, () => {
      const found = results.get(name);
      const wanted = prepared[name]?.wanted ?? new Map();
      expect([...(found?.keys() ?? [])].filter((key) => !key.startsWith('output.')).sort()).toEqual([...wanted.keys()].filter((key) => !key.startsWith('output.')).sort());
      for (const [key, values] of wanted) expect(relativeError(found?.get(key)?.data ?? [], values), key).toBeLessThan(tolerance(name, key));
    });
  }
});
