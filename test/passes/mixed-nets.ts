// Small nets that bring channels-first and channels-last values together, for targets that keep images channels first.

/** Bodies of nets that end with `logits`. */
export const MIXED: Readonly<Record<string, string>> = {
  'a dense layer over the pixels of a convolution': 'logits = image -> conv(5) -> dense(4) -> relu -> conv(3) -> globalavgpool',
  'flattened images': 'logits = image -> conv(5, stride: 2, bias: true) -> flatten -> dense(4)',
  'a reshape after pooling to one pixel': 'logits = image -> conv(5) -> avgpool(8) -> reshape([5]) -> dense(4)',
  'constants that broadcast': 'a = image -> conv(2)\n b = 0.5 * a + ones([8, 8, 2]) - a / (2 + abs(a))\n logits = b -> globalavgpool',
  'means that are broadcast back': 'a = image -> conv(4)\n b = a - mean(a, axis: [1, 2], keep: true) * mean(a, axis: 3, keep: true)\n logits = b -> globalavgpool',
  'a mean over the batch': 'a = image -> conv(4)\n b = a - mean(a, axis: 0, keep: true)\n c = mean(a, axis: 0)\n logits = (b * c) -> globalavgpool',
  'sums over two of the axes': 'a = image -> conv(4)\n logits = sum(a, axis: [1, 3]) + max(a, axis: [2, 3]) + sum(a, axis: 1) -> flatten -> dense(8)',
  'rows and columns exchanged': 'a = image -> conv(4)\n logits = (transpose(a, [0, 2, 1, 3]) + a) -> conv(3) -> globalavgpool',
  'an image and a convolution of it': 'a = concat(image, image -> conv(3))\n logits = pad(a, 2) -> slice(axis: 1, start: 1, size: 6) -> conv(4) -> globalavgpool',
  'attention over the pixels': 'a = image -> conv(4) -> reshape([64, 2, 2]) -> transpose([0, 2, 1, 3])\n s = matmul(a, a, transpose_b: true) -> softmax\n logits = matmul(s, a) -> transpose([0, 2, 1, 3]) -> reshape([8, 8, 4]) -> conv(3) -> globalavgpool',
  'softmax over the channels': 'logits = image -> conv(4) -> softmax -> log_softmax -> upsample(2) -> conv_transpose(3, stride: 2) -> globalavgpool',
  'all norms': 'logits = image -> conv(4) -> batchnorm -> layernorm -> groupnorm(groups: 2) -> flatten -> batchnorm -> layernorm -> dense(3)',
  'a larger stride than the window': 'logits = image -> conv_transpose(3, k: 2, stride: 3) -> conv(2, k: 1, stride: 3, pad: valid) -> depthwise(k: 3, multiplier: 2, dilation: 2) -> globalavgpool',
  'states that begin as ones': 'cell C(x, h) { relu(conv(x, 2) + 0.5 * h) }\n streams L, R of C { init ones step image: straight step image: (L <- R + 1, R <- L) }\n logits = concat(L, R) -> globalavgpool',
  'a state that no step has touched': 'cell C(x, h) { conv(x, 2) + h }\n streams L, R of C { init ones step image: (L <- 0.5, R <- L) }\n logits = concat(L, R) -> globalavgpool',
  'scores of rows': 'logits = image -> reshape([16, 8]) -> transpose -> dense(3) -> mean(axis: 1)',
};

/** The source of one of them; without a loss, or with one of its scores, which the outputs of all but images are. */
export const mixedNet = (name: string, loss = ''): string => `net N { input image: [8, 8, 2]\n ${MIXED[name] ?? ''}\n output logits\n ${loss} }`;
