// The networks of dsl-examples/case-a.zz to case-e.zz in TensorFlow.js, NHWC, by hand.

/** Filter sizes of case d; layers 3, 5, 7 and 9 read pooled images. */
const PLAIN = [3, 3, 3, 3, 3, 3, 1, 1, 1, 1];
const CLASSES = 10;

/**
 * A net of the example's name: its variables, and the logits [N, 10] of readings [N, 32, 32, 3], one tensor for each view.
 * `conv2d` may be given for a backend that lacks a part of it.
 */
export function netOf(tf, name, { small = 96, large = 192, conv2d = (x, filter) => tf.conv2d(x, filter, 1, 'same') } = {}) {
  const variables = [];
  const filter = (k, inputs, outputs) => {
    const made = tf.variable(tf.truncatedNormal([k, k, inputs, outputs], 0, Math.sqrt(2 / (k * k * inputs))));
    variables.push(made);
    return made;
  };
  const layers = (inputs, plan) => plan.map(([outputs, k], i) => filter(k, i === 0 ? inputs : plan[i - 1][0], outputs));
  const layer = (x, weights) => tf.elu(conv2d(x, weights));
  const pool = (x) => tf.avgPool(x, 2, 2, 'valid');
  const mean = (x) => tf.mean(x, [1, 2]);

  const streams = (routes) => {
    const inputs = [filter(3, 3, small), filter(3, 3, small)];
    const states = [filter(1, small, small), filter(1, small, small)];
    const stack = layers(2 * small, [[large, 3], [large, 3], [large, 1], [large, 3], [large, 1], [CLASSES, 1]]);
    return (image, flipped) => {
      let before;
      routes.forEach((route, step) => {
        const seen = inputs.map((weights) => conv2d(step % 2 === 0 ? image : flipped, weights));
        const taken = before && (route === 'zigzag' ? before.toReversed() : before);
        before = seen.map((own, i) => tf.elu(taken ? tf.add(own, conv2d(taken[i], states[i])) : own));
      });
      return mean(stack.reduce((x, weights, i) => layer(i === 0 || i === 3 ? pool(x) : x, weights), tf.concat(before, 3)));
    };
  };

  const plain = () => {
    const stack = layers(3, PLAIN.map((k, i) => [i < 2 ? small : i < 9 ? large : CLASSES, k]));
    return (image) => mean(stack.reduce((x, weights, i) => layer(i >= 2 && i % 2 === 0 ? pool(x) : x, weights), image));
  };

  const twin = () => {
    const first = layers(3, [[small, 3], [small, 3]]);
    const sides = [0, 1].map(() => layers(small, [[large, 3], [large, 3], [large, 1]]));
    const last = layers(2 * large, [[large, 1], [CLASSES, 1]]);
    return (image) => {
      const left = layer(image, first[0]);
      const ends = [left, layer(left, first[1])].map((x, i) => sides[i].reduce((y, weights) => layer(pool(y), weights), x));
      return mean(last.reduce(layer, pool(tf.concat(ends, 3))));
    };
  };

  const NETS = {
    'case-a': () => streams(['straight', 'straight', 'straight', 'straight']),
    'case-b': () => streams(['straight', 'zigzag', 'zigzag', 'zigzag']),
    'case-c': () => streams(['straight', 'zigzag', 'straight', 'zigzag']),
    'case-d': plain,
    'case-e': twin,
  };
  if (!NETS[name]) throw new RangeError(`no net ${name} in TensorFlow.js`);
  return { logits: NETS[name](), variables, views: ['case-a', 'case-b', 'case-c'].includes(name) ? 2 : 1 };
}
