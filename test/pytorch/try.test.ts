import { writeFileSync } from 'node:fs';
import { test } from 'vitest';
import { buildNet, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { emitPyTorch } from '../../compiler/5-emit/pytorch/emit.ts';
import { EXAMPLES } from '../gradients/examples.ts';
import { example } from '../passes/nets.ts';
for (const name of EXAMPLES) test(name, () => {
  const [file = '', net = ''] = name.split(':');
  const source = example(file);
  const program = loadProgram(`${file}.zz`, memoryReader({ [`${file}.zz`]: source }));
  const { graph } = buildNet(program, net === '' ? undefined : net, { mode: 'train', width: Number(process.env.WIDTH ?? 1) });
  const text = emitPyTorch(graph!, { version: '0.1.0', sources: { main: `${file}.zz`, texts: new Map([[`${file}.zz`, source]]) }, file: `${file}.py` });
  writeFileSync(`/tmp/z/pt/${file}.py`, text);
});
