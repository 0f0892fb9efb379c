// zz train, eval and predict on a small net and the reference backend: run directories, breaks, and what bad input gets.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../runtime/checkpoint-file.ts';
import { readMetrics } from '../../runtime/metrics.ts';
import { zz } from './zz.ts';

const NET = `net Small {
  input image: [32, 32, 3]
  view seen = image -> hflip(p: 0.5)
  logits = seen -> avgpool(8) -> conv(6, k: 3) -> batchnorm -> relu -> flatten -> dropout(0.2) -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset synthetic  optimizer adam(lr: 0.01)  batch 20  epochs 3  seed 5  normalize per_batch }
}
`;

let root: string;
let cwd: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'zz-cli-'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  cwd = join(root, String(count++));
  await mkdir(cwd);
  await writeFile(join(cwd, 'small.zz'), NET);
});

const FLAGS = ['--backend', 'reference', '--limit', '100'];
const lines = (text: string): Record<string, unknown>[] => text.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
const metrics = async (run: string) => (await readMetrics(join(cwd, run, 'metrics.jsonl'))).map(({ seconds: _s, imagesPerSecond: _i, ...rest }) => rest);
const tensors = async (run: string) => (await readCheckpoint(join(cwd, run, 'checkpoint.safetensors'))).tensors;

/** The same net, trained in one go. */
const whole = async () => {
  expect((await zz(['train', 'small.zz', ...FLAGS, '--out', 'whole', '--quiet'], { cwd })).status).toBe(0);
  return { metrics: await metrics('whole'), tensors: await tensors('whole') };
};

describe('a run', () => {
  test('writes its directory and ends with the done line', async () => {
    const ran = await zz(['train', 'small.zz', ...FLAGS, '--json'], { cwd });
    expect(ran.status).toBe(0);
    const events = lines(ran.stdout);
    expect(events.map(({ event }) => event)).toEqual(['epoch', 'epoch', 'epoch', 'done']);
    expect(Object.keys(events[3] ?? {})).toEqual(['event', 'net', 'backend', 'device', 'epochs', 'steps', 'imagesPerSecond', 'train', 'test', 'run']);
    expect(events[3]).toMatchObject({ net: 'Small', backend: 'reference', epochs: 3, steps: 15, run: join('runs', 'Small-1'), test: events[2]?.['test'] });
    expect((await readdir(join(cwd, 'runs/Small-1'))).toSorted()).toEqual(['checkpoint.safetensors', 'config.json', 'metrics.jsonl', 'model.zz', 'report.html']);
    expect(await readFile(join(cwd, 'runs/Small-1/model.zz'), 'utf8')).toBe(NET);
    expect(await metrics('runs/Small-1')).toMatchObject([{ epoch: 1, step: 5 }, { epoch: 2, step: 10 }, { epoch: 3, step: 15 }]);
    expect(await readdir(cwd)).toEqual(['runs', 'small.zz']);
  });

  test('that is done says so when it is to go on, and does not go back', async () => {
    await whole();
    const again = await zz(['train', '--resume', '--out', 'whole'], { cwd });
    expect(again.status).toBe(0);
    expect(again.stderr).toContain('There was nothing left to train: the run has had its 3 epochs. --epochs 4 goes on.');
    const config = await readFile(join(cwd, 'whole/config.json'), 'utf8');
    const back = await zz(['train', '--resume', '--out', 'whole', '--epochs', '2'], { cwd });
    expect(back.status).toBe(1);
    expect(back.stderr).toMatch(/has had 3 epochs\n {2}--epochs counts those as well: give more than 3/);
    expect(await readFile(join(cwd, 'whole/config.json'), 'utf8')).toBe(config);
  });

  test('is trained by one process at a time', async () => {
    const { metrics: before } = await whole();
    const claim = join(cwd, 'whole/.training');
    const resume = () => zz(['train', '--resume', '--out', 'whole', '--epochs', '4', '--quiet'], { cwd });
    await writeFile(claim, JSON.stringify({ process: process.ppid, host: hostname() }));
    const refused = await resume();
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(`process ${process.ppid} is training the run in ${join(cwd, 'whole')}`);
    expect(await metrics('whole')).toEqual(before);
    // Of processes that are gone, and half a claim, nothing holds.
    await writeFile(claim, '{"proc');
    expect((await resume()).status).toBe(0);
    expect(await readdir(join(cwd, 'whole'))).not.toContain('.training');
  });

  test('lowers its loss', async () => {
    const { metrics: epochs } = await whole();
    expect(epochs.at(-1)?.train.loss).toBeLessThan((epochs[0]?.train.loss ?? 0) * 0.9);
  });

  test('the next one has the next number; flags take the place of settings', async () => {
    const flags = ['--batch', '10', '--epochs', '1', '--optimizer', 'sgd(lr: 0.1, momentum: 0.9)', '--schedule', 'cosine(warmup: 2)', '--seed', '9', '--normalize', 'channel', '--weight-decay', '1e-4', '--clip-norm', '1', '--width', '0.5', '--quiet'];
    for (const n of [1, 2]) {
      const ran = await zz(['train', 'small.zz', ...FLAGS, ...flags], { cwd });
      expect(ran).toMatchObject({ status: 0, stderr: '' });
      expect(ran.stdout).toContain(`runs/Small-${n}`);
    }
    const config = JSON.parse(await readFile(join(cwd, 'runs/Small-2/config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({
      net: 'Small', width: 0.5, limit: 100, backend: 'reference',
      settings: {
        dataset: 'synthetic', batch: 10, epochs: 1, seed: 9, normalize: 'channel', weightDecay: 1e-4, clipNorm: 1,
        optimizer: { kind: 'sgd', lr: 0.1, momentum: 0.9, nesterov: false }, schedule: { kind: 'cosine', warmup: 2 },
      },
    });
    expect((await tensors('runs/Small-2')).get('w.1')?.shape).toEqual([3, 3, 3, 3]);
  });

  test('the same seed gives the same run, another seed another', async () => {
    const one = await whole();
    await zz(['train', 'small.zz', ...FLAGS, '--out', 'again', '--quiet'], { cwd });
    expect(await metrics('again')).toEqual(one.metrics);
    await zz(['train', 'small.zz', ...FLAGS, '--out', 'other', '--seed', '6', '--quiet'], { cwd });
    expect(await metrics('other')).not.toEqual(one.metrics);
  });

  test('without a terminal progress is a line for each epoch, and a table ends it', async () => {
    const ran = await zz(['train', 'small.zz', ...FLAGS, '--epochs', '2'], { cwd });
    expect(ran.stderr).toMatch(/^Small on reference .*\nepoch 1\/2 .*\nepoch 2\/2 .*\n$/);
    expect(ran.stdout).toMatch(/\nepoch +train loss .*\n1 .*\n2 .*\n\ndone: Small on reference/);
    expect(`${ran.stdout}${ran.stderr}`).not.toContain('\u001b');
  });
});

describe('breaks', () => {
  test('an interrupt saves, says how to go on, and exits 130; --resume gives the same numbers', async () => {
    const expected = await whole();
    let interrupt = (): void => undefined;
    let epochs = 0;
    const ran = await zz(['train', 'small.zz', ...FLAGS, '--json'], {
      cwd,
      interrupts: (stop) => { interrupt = stop; },
      onStdout: () => { if (++epochs === 1) setTimeout(interrupt, 5); },
    });
    expect(ran.status).toBe(130);
    expect(ran.stderr).toContain('zz train --resume --out runs/Small-1');
    expect(lines(ran.stdout).at(-1)).toMatchObject({ event: 'interrupted', run: 'runs/Small-1' });
    const resumed = await zz(['train', '--resume', '--out', 'runs/Small-1', '--json'], { cwd });
    expect(resumed.status).toBe(0);
    expect(await metrics('runs/Small-1')).toEqual(expected.metrics);
    expect(await tensors('runs/Small-1')).toEqual(expected.tensors);
    expect(lines(resumed.stdout).at(-1)).toMatchObject({ event: 'done', epochs: 3, steps: 15 });
  });

  test('the file alone names its latest run; a changed file is refused', async () => {
    await zz(['train', 'small.zz', ...FLAGS, '--epochs', '1', '--quiet'], { cwd });
    const resumed = await zz(['train', 'small.zz', '--resume', '--epochs', '2', '--quiet'], { cwd });
    expect(resumed.status).toBe(0);
    expect(await metrics('runs/Small-1')).toHaveLength(2);
    await writeFile(join(cwd, 'small.zz'), NET.replace('conv(6', 'conv(7'));
    const changed = await zz(['train', 'small.zz', '--resume'], { cwd });
    expect(changed).toMatchObject({ status: 1, stdout: '' });
    expect(changed.stderr).toContain('small.zz has changed since the run');
  });

  test('a finished run has nothing left, and says what it came to', async () => {
    await zz(['train', 'small.zz', ...FLAGS, '--epochs', '1', '--quiet'], { cwd });
    const before = await metrics('runs/Small-1');
    const again = await zz(['train', '--resume', '--out', 'runs/Small-1', '--json'], { cwd });
    expect(lines(again.stdout)).toMatchObject([{ event: 'done', epochs: 1, steps: 5 }]);
    expect(await metrics('runs/Small-1')).toEqual(before);
  });

  test.each([
    [['--lr', '1'], /unknown option '--lr'\nThe learning rate belongs to the optimizer: --optimizer "adam\(lr: 1e-3\)"/],
    [['--batch', '5'], /--batch cannot change/],
    [['--weight-decay', '1'], /--weight-decay cannot change/],
    [['--width', '1'], /--width cannot change/],
  ])('a run that goes on refuses %j', async (flags, message) => {
    await zz(['train', 'small.zz', ...FLAGS, '--epochs', '1', '--quiet'], { cwd });
    const ran = await zz(['train', '--resume', '--out', 'runs/Small-1', ...flags], { cwd });
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toMatch(message);
  });

  test('a damaged checkpoint is a clear error', async () => {
    await zz(['train', 'small.zz', ...FLAGS, '--epochs', '1', '--quiet'], { cwd });
    await writeFile(join(cwd, 'runs/Small-1/checkpoint.safetensors'), 'short');
    const ran = await zz(['train', '--resume', '--out', 'runs/Small-1', '--epochs', '2'], { cwd });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('not a sound safetensors file');
    expect(ran.stderr).not.toContain('    at ');
  });
});

describe('bad input writes nothing', () => {
  test.each<[string, string[], number, RegExp]>([
    ['no file', ['train'], 1, /which file\?/],
    ['an absent file', ['train', 'none.zz'], 1, /none\.zz:1:1: error ZZ1008: there is no file none\.zz/],
    ['no such net', ['train', 'small.zz:Smal'], 1, /ZZ2001: [^]*did you mean 'Small'/],
    ['no such backend', ['train', 'small.zz', '--backend', 'cuda'], 1, /there is no backend "cuda"[^]*auto, webgpu, wasm, gpujs, reference/],
    ['a misspelt backend', ['train', 'small.zz', '--backend', 'refrence'], 1, /Did you mean reference\? Backends: /],
    ['a misspelt command', ['trian', 'small.zz'], 1, /Did you mean train\?/],
    ['a misspelt stage', ['ir', 'small.zz', '--stage', 'autodif'], 1, /Did you mean autodiff\? Stages: /],
    ['no such data', ['train', 'small.zz', '--data', 'photos'], 1, /photos/],
    ['a bad optimizer', ['train', 'small.zz', '--optimizer', 'adma'], 1, /--optimizer:1:1: error ZZ5004[^]*did you mean 'adam'/],
    ['a rate that is no number', ['train', 'small.zz', '--optimizer', 'adam(lr: nan)'], 1, /--optimizer:1:10: error ZZ5002: nothing is called 'nan'/],
    ['a call without its end', ['train', 'small.zz', '--optimizer', 'adam(lr: 1'], 1, /--optimizer:1:11: error ZZ1003: unexpected end of the value/],
    ['more than a value', ['train', 'small.zz', '--optimizer', 'adam(lr: 1) }'], 1, /--optimizer:1:1: error ZZ5002: optimizer takes one value/],
    ['a bad batch', ['train', 'small.zz', '--batch', '0'], 1, /--batch:.*ZZ5002/],
    ['more than a value', ['train', 'small.zz', '--batch', '4 epochs 5'], 1, /ZZ5002/],
    ['a batch beyond the data', ['train', 'small.zz', '--limit', '10'], 1, /batch of 20 is larger than the 10/],
    ['a limit of nothing', ['train', 'small.zz', '--limit', '0'], 1, /whole number from 1/],
    ['a width of nothing', ['train', 'small.zz', '--width', 'wide'], 1, /number above 0/],
    ['a misspelt flag', ['train', 'small.zz', '--epoch', '1'], 1, /Did you mean --epochs\?/],
    ['nothing to resume', ['train', 'small.zz', '--resume'], 1, /no run to go on with/],
    ['no run to score', ['eval', 'small.zz'], 1, /not a run directory/],
    ['no run to predict with', ['predict', 'nowhere', 'x.png'], 1, /not a run directory/],
  ])('%s', async (_, argv, status, message) => {
    const ran = await zz(argv, { cwd });
    expect(ran).toMatchObject({ status, stdout: '' });
    expect(ran.stderr).toMatch(message);
    expect(ran.stderr).not.toMatch(/\n {4}at /);
    expect(await readdir(cwd)).toEqual(['small.zz']);
  });

  test('no adapter', async () => {
    const before = process.env['VK_ICD_FILENAMES'];
    process.env['VK_ICD_FILENAMES'] = '/nowhere.json';
    const ran = await zz(['train', 'small.zz', '--backend', 'webgpu'], { cwd }).finally(() => {
      if (before === undefined) delete process.env['VK_ICD_FILENAMES'];
      else process.env['VK_ICD_FILENAMES'] = before;
    });
    expect(ran).toMatchObject({ status: 2, stdout: '' });
    expect(ran.stderr).toBe('error: WebGPU does not start here: WebGPU finds no adapter\n  zz doctor shows the adapters and drivers of this machine; --backend wasm runs on the processor.\n');
    expect(await readdir(cwd)).toEqual(['small.zz']);
  });

  test('a used directory is left alone', async () => {
    await mkdir(join(cwd, 'used'));
    await writeFile(join(cwd, 'used/notes'), 'mine');
    const ran = await zz(['train', 'small.zz', ...FLAGS, '--out', 'used'], { cwd });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('is not empty');
    expect(await readdir(join(cwd, 'used'))).toEqual(['notes']);
  });

  test('nets that data do not fit', async () => {
    await writeFile(join(cwd, 'few.zz'), NET.replace('dense(10)', 'dense(3)'));
    expect((await zz(['train', 'few.zz', ...FLAGS], { cwd })).stderr).toContain('has 3 class scores; synthetic has 10 classes');
    await writeFile(join(cwd, 'none.zz'), NET.replace(/ {2}loss.*\n/, ''));
    expect((await zz(['train', 'none.zz', ...FLAGS], { cwd })).stderr).toContain('has no loss');
    expect(await readdir(cwd)).toEqual(['few.zz', 'none.zz', 'small.zz']);
  });

  test('a net with more scores than classes is trained with a warning, and predicts no class that the data lack by a bare number', async () => {
    await writeFile(join(cwd, 'many.zz'), NET.replace('dense(10)', 'dense(12)'));
    const ran = await zz(['train', 'many.zz', ...FLAGS, '--epochs', '1', '--out', 'many'], { cwd });
    expect(ran.status).toBe(0);
    expect(ran.stderr).toContain('warning: net Small has 12 class scores, synthetic 10 classes: 2 will never be right');
    await sharp({ create: { width: 32, height: 32, channels: 3, background: '#804020' } }).png().toFile(join(cwd, 'x.png'));
    const predicted = await zz(['predict', 'many', 'x.png', '--top', '12'], { cwd });
    expect(predicted.stdout).toMatch(/class 11 \(none of the data set's\)/);
    expect(predicted.stderr).not.toContain('warning');
  });

  test('a loss that is not finite ends the run and keeps what was saved', async () => {
    const ran = await zz(['train', 'small.zz', ...FLAGS, '--optimizer', 'sgd(lr: 1e30)'], { cwd });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/the loss became (NaN|Infinity) at step \d+ \(epoch 1\)/);
    expect(await readdir(join(cwd, 'runs/Small-1'))).not.toContain('checkpoint.safetensors');
  });
});

describe('trained runs', () => {
  test('eval gives the last test score again, with a confusion matrix that adds up', async () => {
    await zz(['train', 'small.zz', ...FLAGS, '--quiet'], { cwd });
    const ran = await zz(['eval', 'runs/Small-1', '--json'], { cwd });
    expect(ran.status).toBe(0);
    const [result] = lines(ran.stdout) as [{ loss: number; accuracy: number; images: number; confusion: number[][]; classes: string[] }];
    const last = (await metrics('runs/Small-1')).at(-1);
    expect({ loss: result.loss, accuracy: result.accuracy }).toEqual(last?.test);
    expect(result.confusion.flat().reduce((a, b) => a + b, 0)).toBe(result.images);
    const right = result.confusion.reduce((sum, row, i) => sum + (row[i] ?? 0), 0);
    expect(right / result.images).toBeCloseTo(result.accuracy, 12);
    expect((await zz(['eval', 'runs/Small-1'], { cwd })).stdout).toMatch(/accuracy [\d.]+ %[^]*rows: the true class/);
  });

  test('a run stands alone: the files it was made of may go', async () => {
    await mkdir(join(cwd, 'lib'));
    await writeFile(join(cwd, 'lib/head.zz'), 'net Head { input x: [6] output y = x -> dense(10) }\n');
    await writeFile(join(cwd, 'main.zz'), `import "lib/head.zz"\n${NET.replace('flatten -> dropout(0.2) -> dense(10)', 'globalavgpool -> Head')}`);
    expect((await zz(['train', 'main.zz:Small', ...FLAGS, '--epochs', '1', '--out', 'run', '--quiet'], { cwd })).status).toBe(0);
    await rm(join(cwd, 'lib'), { recursive: true });
    await rm(join(cwd, 'main.zz'));
    expect((await zz(['eval', 'run', '--json'], { cwd })).status).toBe(0);
    expect((await zz(['train', '--resume', '--out', 'run', '--epochs', '2', '--quiet'], { cwd })).status).toBe(0);
  });

  test('predict ranks classes by probability, scales other sizes, and refuses what is no image', async () => {
    await zz(['train', 'small.zz', ...FLAGS, '--epochs', '1', '--quiet'], { cwd });
    const image = (size: number) => sharp({ create: { width: size, height: size, channels: 3, background: '#804020' } }).png();
    await image(32).toFile(join(cwd, 'fits.png'));
    await image(50).toFile(join(cwd, 'large.png'));
    await writeFile(join(cwd, 'bad.png'), 'not an image');
    const ran = await zz(['predict', 'runs/Small-1', 'fits.png', 'large.png', '--top', '10', '--json'], { cwd });
    expect(ran.status).toBe(0);
    expect(ran.stderr).toBe('note: large.png is 50x50; scaled to 32x32\n');
    const results = lines(ran.stdout) as unknown as { image: string; classes: { class: string; probability: number }[] }[];
    expect(results.map((result) => result.image)).toEqual(['fits.png', 'large.png']);
    for (const { classes } of results) {
      const shares = classes.map(({ probability }) => probability);
      expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
      expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    }
    // One colour stays one colour when it is scaled.
    expect(results[1]?.classes).toEqual(results[0]?.classes);
    const bad = await zz(['predict', 'runs/Small-1', 'bad.png'], { cwd });
    expect(bad).toMatchObject({ status: 1, stdout: '' });
    expect(bad.stderr).toContain('bad.png');
    expect((await zz(['predict', 'runs/Small-1', 'none.png'], { cwd })).status).toBe(1);
  });
});
