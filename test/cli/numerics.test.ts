// zz train --check-numerics: nets that overflow on purpose are stopped, and shown where.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missing, skipped } from '../webgpu/harness.ts';
import { zz } from './zz.ts';

/** A net that ends as usual; its training overflows only where the lines say so. */
const net = (name: string, lines: string, optimizer = 'adam(lr: 0.001)'): string => `net ${name} {
  input image: [8, 8, 3]
${lines}
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset synthetic  optimizer ${optimizer}  batch 4  epochs 1 }
}
`;

const NETS = [
  net('Sound', '  logits = image -> conv(4, k: 3) -> relu -> globalavgpool -> dense(10)'),
  net('Exponential', '  h = image -> conv(4, k: 3)\n  e = exp(1000 * abs(h))\n  logits = e -> globalavgpool -> dense(10)'),
  net('Quotient', '  h = image -> conv(4, k: 3) -> relu\n  q = (h + 1) / h\n  logits = q -> globalavgpool -> dense(10)'),
  net('Rate', '  logits = image -> conv(4, k: 3) -> elu -> conv(8, k: 3) -> elu -> globalavgpool -> dense(10)', 'sgd(lr: 1e30)'),
];

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'zz-numerics-'));
  await writeFile(join(cwd, 'nets.zz'), NETS.join(''));
});
afterAll(() => rm(cwd, { recursive: true }));

const lineOf = (text: string): number => NETS.join('').split('\n').findIndex((line) => line.includes(text)) + 1;

describe.each(['reference', 'wasm', 'webgpu'])('on %s', (backend) => {
  const check = test.skipIf(backend === 'webgpu' && missing !== undefined);
  const note = backend === 'webgpu' ? skipped : '';
  const train = (name: string, ...more: string[]) => zz(['train', `nets.zz:${name}`, '--backend', backend, '--limit', '40', '--quiet', '--check-numerics', '--out', `${name}-${backend}`, ...more], { cwd, env: { NO_COLOR: '1' } });

  // On a software adapter whole trainings take long; that its checked runs compute the same is tested with the backends.
  test.skipIf(backend === 'webgpu')('a sound training goes through, with the numbers of an unchecked one', async () => {
    const done = (text: string): unknown => ({ ...(JSON.parse(text.trim().split('\n').at(-1) ?? '') as object), run: undefined, imagesPerSecond: undefined });
    const checked = await train('Sound', '--json');
    expect(checked).toMatchObject({ status: 0, stderr: '' });
    const plain = await zz(['train', 'nets.zz:Sound', '--backend', backend, '--limit', '40', '--quiet', '--json', '--out', `plain-${backend}`], { cwd });
    expect(done(checked.stdout)).toEqual(done(plain.stdout));
  });

  check(`an exponential of too much${note}`, async () => {
    const ran = await train('Exponential');
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toMatch(new RegExp(`nets\\.zz:${lineOf('exp(1000')}:7: error ZZ6001: exp.* gives values that are not finite in step 1\n +\\d+ \\|   e = exp\\(1000 \\* abs\\(h\\)\\)\n +\\| +\\^+\n  found %.*: .*infinite of 1,024 values`));
  });

  check(`a division by zero, and what was divided${note}`, async () => {
    const ran = await train('Quotient');
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(new RegExp(`nets\\.zz:${lineOf('(h + 1) / h')}:7: error ZZ6001: div.* gives values that are not finite in step 1\n`));
    // Where it is a kernel of its own, the divisor; in a fused one, what that read.
    expect(ran.stderr).toMatch(/note: it read (%.*: 1,024 values from 0 to \d|%image: 768 values from -\d)/);
  });

  check(`a learning rate that is far too high${note}`, async () => {
    const ran = await train('Rate');
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/error ZZ6001: .* gives values that are not finite in step 2\n/);
    expect(ran.stderr).toMatch(/note: it read %.* values from -?[\d.]+e\+2\d/);
  });
});
