// Which of several backends a net runs on.

import { expect, test } from 'vitest';
import { openFirst, type BackendEntry } from '../../cli/backends.ts';
import type { CompiledFor } from '../../cli/target.ts';
import { AbsentError, BackendError, UnfitError, type Session } from '../../runtime/backend.ts';

const compiled: CompiledFor = { graphs: {}, model: { net: 'Test', train: {} as never, programs: {} } };

/** A backend that opens, or that does not. */
const entry = (name: string, opens: Error | 'opens', loads: Error | 'loads' = 'loads'): BackendEntry => ({
  name,
  summary: name,
  load: async () => {
    if (loads !== 'loads') throw loads;
    const open = async (): Promise<Session> => {
      if (opens !== 'opens') throw opens;
      return { backend: name } as Session;
    };
    return { emit: () => { throw new Error('nothing is emitted'); }, backend: { name, open } };
  },
});

const opened = async (...entries: BackendEntry[]): Promise<string> => (await openFirst(entries, () => compiled)).session.backend;
const missing = new BackendError('it does not start', 'another');

test('the first that starts', async () => {
  expect(await opened(entry('a', 'opens'), entry('b', 'opens'))).toBe('a');
  expect(await opened(entry('a', 'opens', missing), entry('b', missing), entry('c', 'opens'))).toBe('c');
  await expect(opened(entry('a', 'opens', missing), entry('b', missing))).rejects.toBe(missing);
});

test('what is passed over is told of, unless nothing was there', async () => {
  const told: string[] = [];
  const entries = [entry('a', 'opens', new AbsentError('no GPU', '')), entry('b', missing), entry('c', 'opens')];
  await openFirst(entries, () => compiled, { passedOver: (name, { message }) => told.push(`${name}: ${message}`) });
  expect(told).toEqual(['b: it does not start']);
});

test('a net that it has no room for is not run on another, nor one that it fails at', async () => {
  for (const error of [new UnfitError('too large', 'smaller'), new TypeError('a mistake')]) await expect(opened(entry('a', error), entry('b', 'opens'))).rejects.toBe(error);
});
