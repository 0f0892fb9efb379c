// A prediction by an ONNX file in onnxruntime-node, measured in turn (bench/turns.ts).
// node bench/peers/onnx-processor.js --file NET.onnx --threads 1 --readings 50

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import ort from 'onnxruntime-node';
import { takeTurns } from './turns.js';

const { values: options } = parseArgs({ options: { file: { type: 'string' }, threads: { type: 'string' }, readings: { type: 'string' } } });
const session = await ort.InferenceSession.create(readFileSync(options.file), {
  executionProviders: ['cpu'],
  graphOptimizationLevel: 'all',
  intraOpNumThreads: Number(options.threads),
  interOpNumThreads: 1,
});
const readings = Number(options.readings);
const feeds = Object.fromEntries(session.inputNames.map((name) => [name, new ort.Tensor('float32', Float32Array.from({ length: readings * 32 * 32 * 3 }, Math.random), [readings, 32, 32, 3])]));
const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');
await takeTurns({ version }, () => session.run(feeds));
