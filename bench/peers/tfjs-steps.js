// Times training steps in TensorFlow.js: forward, backward and Adam on random images that are on the device already. Its WebGPU backend runs through Dawn, as ours does.
// node bench/peers/tfjs-steps.js [--nets case-a,...] [--readings 50,512] [--small 96] [--large 192] [--steps 0] [--seconds 5] prints a line of JSON for each net.

import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { netOf } from './tfjs-nets.js';

const { values: options } = parseArgs({
  options: {
    nets: { type: 'string', default: 'case-a,case-b,case-c,case-d,case-e' },
    readings: { type: 'string', default: '50,512' },
    small: { type: 'string', default: '96' },
    large: { type: 'string', default: '192' },
    steps: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '5' },
  },
});

async function openWebGpu() {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, 'navigator', { value: { ...globalThis.navigator, gpu: create([]) }, configurable: true, writable: true });
  await import('@tensorflow/tfjs-backend-webgpu');
  if (!(await tf.setBackend('webgpu'))) throw new Error('the WebGPU backend does not start');
  const { info } = await globalThis.navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  return `WebGPU on ${info.device || info.description}`;
}

/** Milliseconds of a step: the median over samples of several steps, the middle half of them, the fastest. The device is waited for once a sample. */
async function timed(step, steps, seconds) {
  const sample = async (count) => {
    const began = performance.now();
    for (let i = 1; i < count; i++) step().dispose();
    const last = step();
    await last.data();
    last.dispose();
    return (performance.now() - began) / count;
  };
  let estimate = Infinity;
  for (let i = 0; i < 3; i++) estimate = Math.min(estimate, await sample(1));
  const total = steps || Math.min(200, Math.max(5, Math.round((1000 * seconds) / estimate)));
  const each = Math.max(1, Math.min(Math.ceil(20 / estimate), Math.floor(total / 5)));
  const samples = [];
  for (let taken = 0; taken + each <= total; taken += each) samples.push(await sample(each));
  samples.sort((a, b) => a - b);
  const at = (share) => samples[Math.round(share * (samples.length - 1))];
  return { ms: { median: at(0.5), low: at(0.25), high: at(0.75), fastest: samples[0] }, steps: samples.length * each };
}

async function row(net, readings) {
  const { logits, variables, views } = netOf(tf, net, { small: Number(options.small), large: Number(options.large) });
  const images = Array.from({ length: views }, () => tf.randomNormal([readings, 32, 32, 3]));
  const labels = tf.oneHot(tf.randomUniform([readings], 0, 10, 'int32'), 10);
  const optimizer = tf.train.adam(8e-5, 0.9, 0.9, 1e-8);
  try {
    const measured = await timed(() => optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, logits(...images)), true), Number(options.steps), Number(options.seconds));
    return { weights: variables.reduce((sum, { size }) => sum + size, 0), ...measured };
  } catch (error) {
    return { missing: String(error).split('\n')[0] };
  } finally {
    tf.dispose([variables, images, labels]);
    optimizer.dispose();
  }
}

const device = await openWebGpu();
for (const net of options.nets.split(',')) {
  for (const readings of options.readings.split(',').map(Number)) console.log(JSON.stringify({ net, readings, device, ...(await row(net, readings)) }));
}
process.exit();
