// What people see: the progress bar on a terminal, tables and numbers, and errors of every kind.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { BackendError } from '../../runtime/backend.ts';
import { DataError } from '../../runtime/data/dataset.ts';
import { RunError } from '../../runtime/errors.ts';
import type { TrainEvent } from '../../runtime/train.ts';
import { reportError } from '../../cli/errors.ts';
import { UsageError, type Io } from '../../cli/io.ts';
import { main } from '../../cli/program.ts';
import { createReporter } from '../../cli/progress.ts';
import { decimal, duration, labelled, narrowTable, percent, table, wrapped } from '../../cli/table.ts';
import { ROOT } from '../build/helpers.ts';
import { printTree } from '../../compiler/inspect/tree.ts';

const EXAMPLE = join(ROOT, 'dsl-examples/mlp.zz');

const PLACE = mkdtempSync(join(tmpdir(), 'zz-output-'));
afterAll(() => { rmSync(PLACE, { recursive: true }); });

/** A folder of images in two classes. */
const FOLDER = join(PLACE, 'images');
for (const folder of ['train/dark', 'train/light', 'test/dark', 'test/light']) {
  mkdirSync(join(FOLDER, folder), { recursive: true });
  await sharp({ create: { width: 4, height: 4, channels: 3, background: folder.endsWith('dark') ? '#222' : '#ddd' } }).png().toFile(join(FOLDER, folder, '0.png'));
}

/** A terminal that keeps what is written and forgets cleared lines. */
function terminal(isTTY = true, columns = 120) {
  const written: string[] = [];
  const stream = {
    isTTY, columns, write: (text: string) => { written.push(text); return true; },
    cursorTo: () => true, moveCursor: () => true, clearLine: () => { written.push('<clear>'); return true; },
    on: () => stream, once: () => stream, removeListener: () => stream,
  };
  return { stream, text: () => written.join('') };
}

function io(isTTY = true, env: Record<string, string> = {}, columns = 120) {
  const [out, err] = [terminal(false, columns), terminal(isTTY, columns)];
  const made: Io = { stdin: (async function* () { /* nothing */ })(), stdout: out.stream, stderr: err.stream, env: { NO_COLOR: '1', ...env }, cwd: '/', onInterrupt: () => () => undefined };
  return { io: made, out: out.text, err: err.text };
}

const score = { loss: 1.5, accuracy: 0.25 };
const step = (n: number): TrainEvent => ({ event: 'step', epoch: 1, step: n, stepOfEpoch: n, stepsPerEpoch: 100, score, imagesPerSecond: 50 });
const epoch: TrainEvent = { event: 'epoch', epoch: 1, step: 100, train: score, test: { loss: 1.2, accuracy: 0.5 }, seconds: 90, imagesPerSecond: 50 };

describe('progress', () => {
  const options = { epochs: 3, batch: 10, json: false, quiet: false };

  test('a terminal shows a bar with speed, scores and time left, and then a line for the epoch', async () => {
    const { io: seen, out, err } = io();
    const reporter = createReporter(seen, options);
    reporter.event(step(1));
    expect(err()).toMatch(/epoch 1\/3 \S+ 1\/100 {2}50\.0 images\/s {2}loss 1\.500, 25\.0 % {2}19\.8 s left/);
    reporter.event({ event: 'evaluate', epoch: 1, done: 40, total: 100 });
    await vi.waitFor(() => { expect(err()).toContain('evaluating 40/100'); });
    reporter.event(epoch);
    expect(err()).toContain('epoch 1/3  train loss 1.500, 25.0 %  test loss 1.200, 50.0 %  1:30, 50.0 images/s\n');
    expect(out()).toBe('');
  });

  test('the bar is drawn ten times a second at most', () => {
    const { io: seen, err } = io();
    const reporter = createReporter(seen, options);
    for (let n = 1; n <= 100; n++) reporter.event(step(n));
    expect(err().split('images/s').length - 1).toBeLessThan(10);
    reporter.stop();
  });

  test('elsewhere there is no bar, with --quiet nothing, with --json lines', () => {
    const plain = io(false);
    const reporter = createReporter(plain.io, options);
    reporter.event(step(1));
    expect(plain.err()).toBe('');
    reporter.event(epoch);
    expect(plain.err()).toMatch(/^epoch 1\/3 .*\n$/);
    const quiet = io();
    const silent = createReporter(quiet.io, { ...options, quiet: true, json: true });
    silent.event(step(1));
    silent.event(epoch);
    expect(quiet.err()).toBe('');
    expect(JSON.parse(quiet.out())).toEqual(epoch);
  });

  test('a net without a classifier shows no accuracy', () => {
    const { io: seen, err } = io(false);
    createReporter(seen, options).event({ ...epoch, train: { loss: 2, accuracy: null }, test: { loss: 3, accuracy: null } });
    expect(err()).toBe('epoch 1/3  train loss 2.000  test loss 3.000  1:30, 50.0 images/s\n');
  });
});

describe('numbers', () => {
  test.each([[0, '0'], [1.23456, '1.235'], [0.00123456, '0.001235'], [1.5e-7, '1.50e-7'], [123456789, '1.23e+8'], [-0.5, '-0.5000']])('%d', (value, shown) => {
    expect(decimal(value)).toBe(shown);
  });
  test.each([[0, '0.0 s'], [59.94, '59.9 s'], [60, '1:00'], [61, '1:01'], [3600, '1:00:00'], [7384, '2:03:04'], [Infinity, '?'], [NaN, '?']])('%d seconds', (seconds, shown) => {
    expect(duration(seconds)).toBe(shown);
  });
  test('shares and tables', () => {
    expect([percent(null), percent(0.12345), percent(1, 2)]).toEqual(['-', '12.3 %', '100.00 %']);
    expect(table([['a', 'bb'], ['ccc', 'd']])).toBe('a    bb\nccc   d');
  });
});

describe('errors', () => {
  const system = (code: string, path?: string) => Object.assign(new Error(`${code}: text of the system`), { code, syscall: 'open', ...(path !== undefined && { path }) });
  test.each<[string, unknown, number, string]>([
    ['usage', new UsageError('which?', 'That one.'), 1, 'error: which?\n  That one.\n'],
    ['a run', new RunError('damaged', 'Train again.'), 1, 'error: damaged\n  Train again.\n'],
    ['data of the user', new DataError('input', 'no train/', 'Make one.'), 1, 'error: no train/\n  Make one.\n'],
    ['the network', new DataError('environment', 'offline', 'Later.'), 2, 'error: offline\n  Later.\n'],
    ['a backend', new BackendError('no adapter', 'Install a driver.'), 2, 'error: no adapter\n  Install a driver.\n'],
    ['an absent file', system('ENOENT', 'x.png'), 1, 'error: x.png: no such file or folder\n  Check the path.\n'],
    ['a full disk', system('ENOSPC'), 2, 'error: the disk is full\n  Free some space, and do it again; zz train goes on with --resume.\n'],
    ['another error of the system', system('EIO', '/dev/x'), 2, 'error: /dev/x: EIO: text of the system\n'],
    ['a defect', new TypeError('x is undefined\nmore'), 2, 'error: zz failed in a way it should not: x is undefined\n  Please report it, with the .zz file and what the command prints under ZZ_DEBUG=1.\n'],
    ['something thrown', 'text', 2, 'error: zz failed in a way it should not: text\n  Please report it, with the .zz file and what the command prints under ZZ_DEBUG=1.\n'],
  ])('%s', (_, error, status, shown) => {
    const { io: seen, err } = io(false);
    expect(reportError(seen, error)).toBe(status);
    expect(err()).toBe(shown);
  });

  test('ZZ_DEBUG shows the stack, and what caused it', () => {
    const { io: seen, err } = io(false, { ZZ_DEBUG: '1' });
    reportError(seen, new RunError('outer', '', { cause: new Error('inner') }));
    expect(err()).toMatch(/RunError: outer\n {4}at [^]*caused by Error: inner\n {4}at /);
  });
});

test('a tree as deep as a chain of 100,000 nodes is printed without recursion', () => {
  let tree: unknown = { kind: 'name', name: 'x' };
  for (let i = 0; i < 100_000; i++) tree = { kind: 'negate', value: tree };
  const text = printTree(tree);
  expect(text.split('\n')).toHaveLength(100_002);
  expect(text.length).toBeLessThan(40_000_000);
});

/** All commands, as the general help lists them. */
const COMMANDS = await (async () => {
  const { io: seen, out } = io(false, {}, 60);
  await main(['--help'], seen);
  return [...(out().split('\nCommands:\n')[1] ?? '').matchAll(/^ {2}(\w+) /gm)].map(([, name = '']) => name).filter((name) => name !== 'zz');
})();

describe('help', () => {
  test('lists the commands, help among them', () => {
    expect(COMMANDS).toEqual(expect.arrayContaining(['check', 'train', 'lsp', 'completion', 'help']));
  });

  test.each(COMMANDS)('%s: by --help and by zz help, with examples of the command itself', async (command) => {
    const [first, second] = [io(false), io(false)];
    expect([await main([command, '--help'], first.io), await main(['help', command], second.io)]).toEqual([0, 0]);
    expect(second.out()).toBe(first.out());
    const [, examples = ''] = first.out().split(/\nExamples?:\n/);
    const lines = examples.trim().split('\n');
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(new RegExp(`\\bzz ${command}\\b`));
    // Every option that the examples use is one that it has.
    for (const [option] of examples.matchAll(/--[\w-]+/g)) expect(first.out().split('\nExample')[0]).toContain(option);
  });

  test('zz alone, zz help and zz --help are one text, which ends well', async () => {
    const texts = await Promise.all([[], ['help'], ['--help']].map(async (argv) => {
      const { io: seen, out, err } = io(false);
      expect(await main(argv, seen)).toBe(0);
      return out() + err();
    }));
    expect(new Set(texts).size).toBe(1);
  });

  test('the width is the terminal\'s, otherwise COLUMNS, otherwise 80', async () => {
    const widest = async (columns: number | undefined, env: Record<string, string>): Promise<number> => {
      let text = '';
      const output = { write: (part: string) => { text += part; }, ...(columns !== undefined && { columns }) };
      await main(['train', '--help'], { ...io(false).io, stdout: output, env });
      return Math.max(...(text.split('\nExample')[0] ?? '').split('\n').map((line) => line.length));
    };
    expect(await widest(50, { COLUMNS: '90' })).toBeLessThanOrEqual(50);
    expect(await widest(undefined, { COLUMNS: '70' })).toBeLessThanOrEqual(70);
    expect(await widest(undefined, { COLUMNS: '-3' })).toBeGreaterThan(70);
    expect(await widest(undefined, {})).toBeLessThanOrEqual(80);
  });
});

describe('misspelt words get the nearest', () => {
  const said = async (...argv: string[]): Promise<string> => {
    const { io: seen, err } = io(false);
    expect(await main(argv, seen)).toBe(1);
    return err();
  };
  test.each<[string, string[], string]>([
    ['a command', ['chekc'], 'Did you mean check?'],
    ['a command to be helped with', ['help', 'trian'], 'Did you mean train?'],
    ['a flag', ['check', '--fromat', 'json', 'x'], 'Did you mean --format?'],
    ['a flag of the program', ['--verison'], 'Did you mean --version?'],
    ['a shell', ['completion', 'bsh'], 'Did you mean bash?'],
    ['a format', ['check', '--format', 'jsn', 'x'], 'Did you mean json?'],
    ['a mode', ['ir', 'x', '--mode', 'evalute'], 'Did you mean evaluate?'],
    ['a stage', ['ir', EXAMPLE, '--stage', 'autodif'], 'Did you mean autodiff?'],
    ['a backend', ['train', EXAMPLE, '--backend', 'wsm'], 'Did you mean wasm?'],
    ['a target', ['compile', EXAMPLE, '--target', 'jss', '-o', 'x.js'], 'Did you mean js?'],
    ['an optimizer', ['train', EXAMPLE, '--optimizer', 'adm'], "did you mean 'adam'?"],
    ['a schedule', ['train', EXAMPLE, '--schedule', 'cosin'], "did you mean 'cosine'?"],
    ['a normalisation', ['train', EXAMPLE, '--normalize', 'chanel'], "did you mean 'channel'?"],
    ['a data set', ['data', 'cifr10'], 'Did you mean cifar10?'],
    ['a net', ['ir', `${EXAMPLE}:Percepton`], "did you mean 'Perceptron'?"],
    ['a file', ['train', EXAMPLE.replace('mlp', 'mpl')], 'mlp.zz\'?'],
  ])('%s', async (_, argv, proposal) => {
    expect(await said(...argv)).toContain(proposal);
  });

  test('what is near nothing gets the choices alone', async () => {
    expect(await said('check', '--format', 'xml', 'x')).toMatch(/is invalid\. Allowed choices are text, json\.\n/);
  });
});

describe('--quiet', () => {
  /** The commands whose sources show progress. */
  const PROGRESS = ['train', 'eval', 'bench', 'data'];
  test.each(COMMANDS)('%s', async (command) => {
    const { io: seen, out } = io(false);
    await main([command, '--help'], seen);
    expect(out().includes('--quiet ')).toBe(PROGRESS.includes(command));
  });

  test.each<[string, string[], RegExp]>([
    ['bench', ['bench', EXAMPLE, '--steps', '2', '--batch', '2', '--width', '0.05', '--backend', 'wasm'], /compiling …/],
    ['data', ['data', FOLDER], /importing images/],
  ])('%s says nothing but its result', async (_, argv, progress) => {
    const env = { ZZ_CACHE: mkdtempSync(join(PLACE, 'cache-')) };
    const [loud, quiet] = [io(false, env), io(false, { ZZ_CACHE: mkdtempSync(join(PLACE, 'cache-')) })];
    expect([await main(argv, loud.io), await main([...argv, '--quiet'], quiet.io)]).toEqual([0, 0]);
    expect(loud.err()).toMatch(progress);
    expect(quiet.err()).toBe('');
    expect(quiet.out()).not.toBe('');
  });
});

describe('narrow terminals', () => {
  test.each([60, 40].flatMap((columns) => ['', ...COMMANDS].map((command) => [columns, command] as const)))('in %i columns the help of zz %s fits', async (columns, command) => {
    const { io: seen, out } = io(false, {}, columns);
    expect(await main([...(command === '' ? [] : [command]), '--help'], seen)).toBe(0);
    const [described = ''] = out().split('\nExample');
    // The line of usage is a thing to copy, and stays whole.
    expect(described.split('\n').slice(1).filter((line) => line.length > columns)).toEqual([]);
  });

  test('costs stand in tables that fit, and piped in one', async () => {
    const [narrow, piped] = [io(false, {}, 60), io(false, {})];
    await main(['ir', EXAMPLE, '--stage', 'simplify', '--stats'], narrow.io);
    expect(Math.max(...narrow.out().split('\n').map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(narrow.out().match(/^whole step/gm)).toHaveLength(2);
    await main(['ir', EXAMPLE, '--stage', 'simplify', '--stats'], { ...piped.io, stdout: { write: piped.io.stdout.write } });
    expect(piped.out().match(/^whole step/gm)).toHaveLength(1);
  });

  test('findings of the doctor stand below their names', async () => {
    const { io: seen, out } = io(false, {}, 60);
    await main(['doctor'], seen);
    // Words without spaces, as paths are, stay whole.
    const long = out().split('\n').filter((line) => line.length > 60 && line.trim().includes(' '));
    expect(long).toEqual([]);
  });

  test('sentences behind labels', () => {
    expect(wrapped('one two three four', 9)).toBe('one two\nthree\nfour');
    expect(wrapped('incomprehensibilities are', 9)).toBe('incomprehensibilities\nare');
    expect(labelled([['a', 'one two three four five six'], ['bb', 'x']], 4, 24)).toBe('a   one two three four\n    five six\nbb  x');
    expect(narrowTable([['a', 'bbb', 'ccc'], ['x', '1', '2']], 6)).toBe('a  bbb\nx    1\n\na  ccc\nx    2');
    expect(narrowTable([['a', 'bbb', 'ccc'], ['x', '1', '2']], Infinity)).toBe(table([['a', 'bbb', 'ccc'], ['x', '1', '2']]));
  });

  test.each([60, 80, 100])('the bar stays on one line of %i columns', async (columns) => {
    const { io: seen, err } = io(true, {}, columns);
    const reporter = createReporter(seen, { epochs: 21, batch: 25, json: false, quiet: false });
    reporter.event({ event: 'step', epoch: 21, step: 2000, stepOfEpoch: 999, stepsPerEpoch: 2000, score: { loss: 0.001234, accuracy: 1 }, imagesPerSecond: 1234.5 });
    reporter.event({ event: 'evaluate', epoch: 21, done: 5000, total: 10000 });
    await vi.waitFor(() => { expect(err()).toContain('evaluating 5000/10000'); });
    reporter.stop();
    // eslint-disable-next-line no-control-regex -- what a terminal does not show
    const drawn = err().replace(/\x1b(?:\[[\d;?]*[A-Za-z]|[78])/g, '').split(/epoch (?=21)/).slice(1).map((text) => `epoch ${text.split('<clear>')[0] ?? ''}`);
    expect(drawn.length).toBeGreaterThan(1);
    for (const line of drawn) expect(line.trimEnd().length, line).toBeLessThanOrEqual(columns);
  });
});

describe('colours', () => {
  const line = (isTTY: boolean, env: Record<string, string | undefined>): string => {
    const { io: seen, err } = io(isTTY);
    reportError({ ...seen, env }, new UsageError('which?'));
    return err();
  };
  const red = (text: string): boolean => text.includes('\u001b[31m');
  test.each<[string, boolean, Record<string, string>, boolean]>([
    ['a terminal', true, {}, true],
    ['a pipe', false, {}, false],
    ['NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['an empty NO_COLOR', true, { NO_COLOR: '' }, true],
    ['NO_COLOR before FORCE_COLOR', true, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
    ['FORCE_COLOR into a pipe', false, { FORCE_COLOR: '1' }, true],
    ['FORCE_COLOR=0', true, { FORCE_COLOR: '0' }, false],
    ['a dumb terminal', true, { TERM: 'dumb' }, false],
  ])('%s', (_, isTTY, env, coloured) => {
    expect(red(line(isTTY, env))).toBe(coloured);
  });
});
