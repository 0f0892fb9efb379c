// Nets that emitted PyTorch files must get right: shapes of modules, names, losses, declared routes.

import { MIXED, mixedNet } from '../passes/mixed-nets.ts';

const net = (body: string, train = ''): string => `net N {
  input image: [8, 8, 2]
  ${body}
  train { optimizer sgd(lr: 0.1) ${train} }
}
`;

const HEAD = 'output logits\n  loss softmax_cross_entropy(logits)';

const block = `net Block {
  input x: [8, 8, 4]
  y = x -> conv(4) -> batchnorm -> relu
  output z = x + y
}
`;

/** Streams and twins, and modules that several parts of a net share. */
const STRUCTURE: Readonly<Record<string, string>> = {
  'a layer that all streams use': net(`layer look = conv(3, bias: true)
  cell C(x, h) { elu(x -> look + conv(h, 3, k: 1)) }
  streams L, R of C { step image: straight  step image: zigzag }
  logits = concat(L, R, image -> look) -> globalavgpool -> dense(4)
  ${HEAD}`),
  'a cell with a batch normalisation': net(`cell C(x, h) { relu(conv(x, 3) + conv(h, 3, k: 1) -> batchnorm) }
  streams L, R of C { step image: straight  step image: zigzag }
  logits = concat(L, R) -> globalavgpool -> dense(4)
  ${HEAD}`),
  'states that are kept, and a loop': net(`cell C(x, h) { tanh(conv(x, 3) + conv(h, 3)) }
  streams L, M, R of C {
    init ones
    step image: straight
    repeat 2 { step 0.5 * image: (L <- L[0], M <- M - R, R <- 2)  repeat 2 { step image: zigzag } }
  }
  logits = concat(L, M, R, M[1], L[0]) -> globalavgpool -> dense(4)
  ${HEAD}`.replace('L[0], M <- M - R', 'L, M <- M - R')),
  'two blocks of streams with one shared cell': net(`cell C(x, h) { relu(conv(x, 3) + h) }
  streams A, B of C shared { step image: straight  step image: zigzag }
  streams U, V of C { init A  step image: zigzag }
  logits = concat(A, B, U, V) -> globalavgpool -> dense(4)
  ${HEAD}`),
  'a twin with every crossing': net(`a = image -> conv(4)
  twin L, M, R from a, a, image -> conv(4) {
    both conv(4, k: 1) -> elu
    cross swap
    L conv(4) -> relu
    cross (L <- L + a, M <- R, R <- 0.5 * (L + M))
    both conv(4) -> silu shared
    cross mean
    both conv(4, k: 1)
    cross add
    both conv(2, k: 1) -> gelu
    cross concat
    repeat 2 { both groupnorm(groups: 2) -> conv(6) }
  }
  logits = concat(L, M, R) -> globalavgpool -> dense(4)
  ${HEAD}`),
  'nets in nets, and a net as a layer': `${block}net Pair { input x: [8, 8, 4]  output p = x -> Block -> Block }
${net(`layer again = Block()
  a = image -> conv(4) -> Pair -> again -> again
  b = a -> Pair -> Block
  logits = b -> globalavgpool -> dense(4)
  ${HEAD}`)}`,
  'a net whose value is its input': `net Twice { input x: [8, 8, 2]  output z = 2 * x }
${net(`logits = image -> Twice -> Twice -> globalavgpool -> dense(4)
  ${HEAD}`)}`,
  'names that Python keeps for itself': net(`lambda = image -> conv(3)
  self = lambda -> elu
  layer class = conv(3)
  torch = self -> class -> relu
  labels = torch + lambda
  y = labels -> globalavgpool
  layer training = dense(4)
  logits = y -> training
  ${HEAD}`),
  'an output that the loss does not see': net(`a = image -> conv(3) -> relu
  logits = a -> globalavgpool -> dense(4)
  other = stop_gradient(a) -> conv(2, k: 1)
  output other
  ${HEAD}`),
  'weights of a cell and of a net that the loss does not see': `${block}${net(`cell C(x, h) { relu(conv(x, 4) + h) }
  streams L, R of C { step image: straight }
  side = stop_gradient(L) -> Block
  logits = R -> globalavgpool -> dense(4)
  output side
  ${HEAD}`)}`,
  'class scores that are no output, of images that enter twice and once': net(`view twice = each(image, image -> hflip)
  features = twice -> conv(3) -> relu
  other = image -> conv(3) -> globalavgpool
  output features
  loss softmax_cross_entropy(features -> globalavgpool -> dense(4))
  loss 0.5 * softmax_cross_entropy(other -> dense(4))`),
  'a loss without classes': net(`code = image -> conv(3, stride: 2) -> relu
  picture = code -> conv_transpose(2, stride: 2)
  output picture
  loss mse(picture, image)
  loss 0.1 * mean(square(code))`),
  'no loss at all': 'net N { input image: [8, 8, 2]\n y = image -> conv(3) -> batchnorm -> upsample(2)\n output y }',
  'an output of the loss itself': net('logits = image -> globalavgpool -> dense(4)\n  l = softmax_cross_entropy(logits)\n  output l\n  output logits\n  loss l'),
  'each image three times': net(`view thrice = each(image, image -> hflip, image)
  logits = thrice -> conv(3, k: 2, stride: 3, pad: valid) -> elu(alpha: 0.5) -> globalavgpool -> dense(4)
  output logits
  loss softmax_cross_entropy(logits, label_smoothing: 0.1)`),
  'convolutions of every kind': net(`logits = image -> conv(6, k: 2) -> conv(6, k: 4, stride: 2) -> relu -> conv(6, k: 3, groups: 3, dilation: 2) -> leaky_relu(slope: 0.2)
    -> depthwise(k: 3, multiplier: 2, bias: true) -> conv_transpose(4, k: 4, stride: 2, bias: true) -> conv_transpose(4, k: 2, stride: 3) -> conv_transpose(3, k: 3, stride: 2, pad: valid)
    -> softplus -> avgpool(3) -> maxpool(2) -> globalavgpool -> dense(4)
  ${HEAD}`),
  'functions of one and two operands': net(`a = image -> conv(3) -> tanh
  b = max(a, 0.1) + min(a, -0.1) - max(a, a * a) / (2 + exp(a) + sqrt(abs(a) + 1))
  c = log(1 + square(b)) + sigmoid(a) * max(b, axis: [1, 2], keep: true) - sum(a, axis: 3, keep: true)
  logits = c -> globalavgpool -> dense(4)
  ${HEAD}`),
};

/** Declared routes. */
const ROUTES: Readonly<Record<string, string>> = {
  'gradients that two streams exchange': net(`l = image -> conv(3) -> elu
  r = image -> conv(3, k: 1) -> elu
  inl = l -> identity
  inr = r -> identity
  logits = concat(inl -> conv(2), inr) -> globalavgpool -> dense(4)
  backward { grad(l) = grad(inr)  grad(r) = grad(inl) }
  ${HEAD}`),
  'the found gradient, twice as large and with another': net(`a = image -> conv(3) -> elu
  b = a -> conv(3) -> elu
  logits = b -> globalavgpool -> dense(4)
  backward { grad(a) = 2 * grad(a)  grad(a) += grad(b)  grad(a) += 0.1  grad(b) = grad(b) * b }
  ${HEAD}`),
  'a rule of several statements, of layouts that differ': net(`a = image -> conv(4) -> elu
  t = a -> reshape([64, 2, 2]) -> transpose([0, 2, 1, 3])
  logits = t -> flatten -> dense(4)
  backward { grad(a) = avgpool(upsample(grad(a) * mean(grad(a), axis: 3, keep: true), 2), 2) + a * 0.01  grad(t) = grad(t) - t }
  ${HEAD}`),
  'the state of a stream, and the gradient of an image': net(`cell C(x, h) { elu(conv(x, 2) + conv(h, 2, k: 1)) }
  streams L, R of C { step image: straight  step image: zigzag }
  logits = concat(L, R) -> globalavgpool -> dense(4)
  backward { grad(L) = grad(R) + grad(L)  grad(R) = 0.5 * grad(R) }
  ${HEAD}`),
  'in a net that another one uses': `net Inner { input x: [8, 8, 2]
  a = x -> conv(3)
  b = a -> relu
  output c = b -> conv(2)
  backward { grad(a) = grad(b) }
}
${net(`logits = image -> Inner -> globalavgpool -> dense(4)\n  ${HEAD}`)}`,
};

const withLoss = Object.keys(MIXED).map((name) => [name, mixedNet(name, `loss ${name === 'softmax over the channels' ? 'mean(square(logits))' : 'softmax_cross_entropy(logits)'}\n train { optimizer sgd(lr: 0.1) }`)] as const);

export const SOURCES: Readonly<Record<string, string>> = { ...STRUCTURE, ...ROUTES, ...Object.fromEntries(withLoss) };
