// Emitted PyTorch files against the evaluator: loss, outputs, every gradient, and the weights after two steps of the optimiser.

import { beforeAll, describe, expect, test } from 'vitest';
import type { StoredTensor } from '../../runtime/safetensors.ts';
import { EXAMPLES } from '../gradients/examples.ts';
import { relativeError } from '../kernels/cases.ts';
import { example } from '../passes/nets.ts';
import { randomNet } from '../passes/random-nets.ts';
import { missing, netOf, prepare, runPyTorch, skipped, torchrun } from './harness.ts';
import type { Prepared } from './harness.ts';
import { SOURCES } from './sources.ts';

/** Dropout draws PyTorch's own numbers, so nothing is dropped. */
const undropped = (source: string): string => source.replace(/dropout\([^)]*\)/g, 'dropout(0)');

const examples = EXAMPLES.map((name) => {
  const [file = '', net = ''] = name.split(':');
  return [name, () => prepare(netOf(undropped(example(file)), net === '' ? undefined : net, 0.08), 2)] as const;
});
const sources = Object.entries(SOURCES).map(([name, source]) => [name, () => prepare(netOf(source, 'N'), 3)] as const);
const random = Array.from({ length: 40 }, (_, i) => [`random net ${i + 1}`, () => prepare(netOf(undropped(randomNet(i + 1))), 3, i + 1)] as const);
const NETS: Readonly<Record<string, () => Prepared>> = Object.fromEntries([...examples, ...sources, ...random]);

/** Nets whose numbers do not depend on what else is in the batch. */
const separable = (name: string): boolean => (EXAMPLES as readonly string[]).includes(name) && name !== 'residual:Residual';

describe.skipIf(missing)(`PyTorch gives the evaluator's numbers${skipped}`, () => {
  const prepared: Record<string, Prepared> = {};
  let shared: typeof results;
  const failures = new Map<string, unknown>();
  let results: Map<string, ReadonlyMap<string, StoredTensor> | Error>;
  beforeAll(async () => {
    for (const [name, make] of Object.entries(NETS)) {
      try {
        prepared[name] = make();
      } catch (error) {
        failures.set(name, error);
      }
    }
    results = await runPyTorch(prepared);
    if (torchrun !== undefined) shared = await runPyTorch(Object.fromEntries(Object.entries(prepared).filter(([name]) => separable(name))), 2);
  }, 180_000);
  for (const name of Object.keys(NETS)) {
    test(name, () => {
      const [found, wanted] = [results.get(name), prepared[name]?.wanted];
      if (failures.has(name)) throw failures.get(name);
      if (found instanceof Error) throw found;
      expect([...(found?.keys() ?? [])].sort()).toEqual([...(wanted?.keys() ?? [])].sort());
      for (const [key, { values, tolerance }] of wanted ?? []) expect(relativeError(found?.get(key)?.data ?? [], values), key).toBeLessThan(tolerance);
    });
  }

  for (const name of Object.keys(NETS).filter(separable)) {
    test.skipIf(torchrun === undefined)(`${name} on two ranks with half of the batch each`, () => {
      const found = shared.get(name);
      if (!found || found instanceof Error) throw found ?? new Error('no result');
      const wanted = [...(prepared[name]?.wanted ?? [])].filter(([key]) => key === 'loss' || key.startsWith('d.'));
      expect([...found.keys()].sort()).toEqual(wanted.map(([key]) => key).sort());
      for (const [key, { values, tolerance }] of wanted) expect(relativeError(found.get(key)?.data ?? [], values), key).toBeLessThan(tolerance);
    });
  }
});
