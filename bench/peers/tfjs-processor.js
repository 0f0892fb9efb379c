// A step of a net in TensorFlow.js on the processor, measured in turn (bench/turns.ts).
// node bench/peers/tfjs-processor.js --backend wasm|cpu --task train|predict --net case-d --readings 50

import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { netOf } from './tfjs-nets.js';
import { takeTurns } from './turns.js';

const { values: options } = parseArgs({
  options: { backend: { type: 'string' }, task: { type: 'string' }, net: { type: 'string' }, readings: { type: 'string' }, small: { type: 'string', default: '96' }, large: { type: 'string', default: '192' } },
});

/** TensorFlow.js's WebAssembly backend has no gradient of a convolution's filter. By hand: a slice of the padded image for each tap, times the gradient; all transposed explicitly. */
const filterGradient = (x, dy, [k, , inputs, outputs]) => {
  const [n, height, width] = x.shape;
  const around = Math.floor(k / 2);
  const padded = around === 0 ? x : tf.pad(x, [[0, 0], [around, around], [around, around], [0, 0]]);
  const right = dy.reshape([-1, outputs]);
  const taps = Array.from({ length: k * k }, (_, tap) => {
    const read = tf.slice(padded, [0, Math.floor(tap / k), tap % k, 0], [n, height, width, inputs]).reshape([-1, inputs]);
    return tf.matMul(tf.transpose(read), right);
  });
  return tf.stack(taps).reshape([k, k, inputs, outputs]);
};

/** A convolution of stride 1 and `same` padding whose gradient by its input is one too, with the filter turned round. */
const conv2d = tf.customGrad((x, filter, save) => {
  save([x, filter]);
  return {
    value: tf.conv2d(x, filter, 1, 'same'),
    gradFunc: (dy, [image, weights]) => [
      tf.conv2d(dy, tf.transpose(tf.reverse(weights, [0, 1]), [0, 1, 3, 2]), 1, 'same'),
      filterGradient(image, dy, weights.shape),
    ],
  };
});

if (options.backend === 'wasm') setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve('@tensorflow/tfjs-backend-wasm')))}/`);
if (!(await tf.setBackend(options.backend))) throw new Error(`TensorFlow.js's ${options.backend} backend does not start`);
await tf.ready();

const readings = Number(options.readings);
const { logits, variables, views } = netOf(tf, options.net, { small: Number(options.small), large: Number(options.large), ...(options.backend === 'wasm' && options.task === 'train' && { conv2d }) });
const images = Array.from({ length: views }, () => tf.randomNormal([readings, 32, 32, 3]));
const labels = tf.oneHot(tf.randomUniform([readings], 0, 10, 'int32'), 10);
const optimizer = tf.train.adam(8e-5, 0.9, 0.9, 1e-8);
const steps = {
  train: () => optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, logits(...images)), true),
  predict: () => tf.tidy(() => logits(...images)),
};
await takeTurns({ weights: variables.reduce((sum, { size }) => sum + size, 0), version: tf.version.tfjs }, async () => {
  const result = steps[options.task]();
  await result.data();
  result.dispose();
});
