// The training settings and the views as Python.

import type { Augmentation, Graph, OptimizerSettings, ScheduleSettings } from '../../2-graph/graph.ts';
import { number, quoted } from './python.ts';

type Augmented<K extends Augmentation['op']> = Extract<Augmentation, { readonly op: K }>;

const AUGMENTATIONS: { readonly [K in Augmentation['op']]: (attrs: Augmented<K>) => readonly string[] } = {
  hflip: ({ p }) => [number(p)],
  crop: ({ pad }) => [number(pad)],
  blur: ({ sigma }) => sigma.map(number),
  cutout: ({ size }) => [number(size)],
  brightness: ({ delta }) => [number(delta)],
  noise: ({ sigma }) => [number(sigma)],
  sometimes: ({ p, then }) => [number(p), augmentation(then)],
};

/** Whether a name is that of an augmentation. */
export const isAugmentation = (name: string): name is Augmentation['op'] => Object.hasOwn(AUGMENTATIONS, name);

/** `(sometimes, 0.1, (blur, 0, 0.5))` */
const augmentation = (step: Augmentation): string => `(${[step.op, ...(AUGMENTATIONS[step.op] as (attrs: Augmentation) => readonly string[])(step)].join(', ')})`;

/** The augmentations of a graph's views, those inside `sometimes` as well. */
export function augmentationsOf({ views }: Graph): Set<Augmentation['op']> {
  const inside = (step: Augmentation): Augmentation['op'][] => [step.op, ...(step.op === 'sometimes' ? inside(step.then) : [])];
  return new Set(views.flatMap(({ parts }) => parts.flatMap(({ steps }) => steps.flatMap(inside))));
}

/** The lines of VIEWS: for each input of the net one chain of augmentations for every time that an image enters. */
export const viewLines = (graph: Graph): string[] => [
  '# What each input of the net reads in training: a chain of augmentations for every time that an image enters. In evaluation it is the image itself.',
  'VIEWS = {',
  ...graph.views.flatMap(({ name, parts }) => {
    const chains = parts.map(({ steps }) => `[${steps.map(augmentation).join(', ')}]`);
    const line = `    ${quoted(name)}: [${chains.join(', ')}],`;
    return line.length <= 100 ? [line] : [`    ${quoted(name)}: [`, ...chains.map((chain) => `        ${chain},`), '    ],'];
  }),
  '}',
];

type Optimizer<K extends OptimizerSettings['kind']> = Extract<OptimizerSettings, { readonly kind: K }>;

const adam = (name: string, more: readonly string[] = []) => ({ lr, beta1, beta2, eps }: Optimizer<'adam' | 'adamw' | 'amsgrad'>): string =>
  `torch.optim.${name}(groups, ${[`lr=${number(lr)}`, `betas=(${number(beta1)}, ${number(beta2)})`, `eps=${number(eps)}`, ...more].join(', ')})`;

const OPTIMIZERS: { readonly [K in OptimizerSettings['kind']]: (settings: Optimizer<K>) => string } = {
  adam: adam('Adam'),
  adamw: adam('AdamW'),
  amsgrad: adam('Adam', ['amsgrad=True']),
  rmsprop: ({ lr, alpha, eps, momentum }) =>
    `torch.optim.RMSprop(groups, ${[`lr=${number(lr)}`, `alpha=${number(alpha)}`, `eps=${number(eps)}`, ...(momentum === 0 ? [] : [`momentum=${number(momentum)}`])].join(', ')})`,
  sgd: ({ lr, momentum, nesterov }) => `torch.optim.SGD(groups, ${[`lr=${number(lr)}`, ...(momentum === 0 ? [] : [`momentum=${number(momentum)}`]), ...(nesterov && momentum > 0 ? ['nesterov=True'] : [])].join(', ')})`,
};

export function optimizerLines({ train: { optimizer, weightDecay } }: Graph): string[] {
  const constructor = (OPTIMIZERS[optimizer.kind] as (settings: OptimizerSettings) => string)(optimizer);
  return [
    'def make_optimizer(net: nn.Module) -> torch.optim.Optimizer:',
    '    """Weight decay is for filters and matrices, not for biases and norms."""',
    '    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]',
    '    groups = [',
    `        {"params": [parameter for parameter in trained if parameter.dim() > 1], "weight_decay": ${number(weightDecay)}},`,
    '        {"params": [parameter for parameter in trained if parameter.dim() <= 1], "weight_decay": 0},',
    '    ]',
    `    return ${constructor}`,
  ];
}

type Schedule<K extends ScheduleSettings['kind']> = Extract<ScheduleSettings, { readonly kind: K }>;

/** What the learning rate is multiplied with, as the body of a function of step, steps_per_epoch and total_steps. */
const SCHEDULES: { readonly [K in ScheduleSettings['kind']]: (settings: Schedule<K>) => readonly string[] } = {
  constant: () => ['return 1.0'],
  cosine: ({ warmup }) => [
    ...(warmup === 0 ? [] : [`warmup = ${number(warmup)}`]),
    warmup === 0 ? 'progress = min(step / max(total_steps, 1), 1)' : 'progress = min(max(step - warmup, 0) / max(total_steps - warmup, 1), 1)',
    `return ${warmup === 0 ? '' : 'min((step + 1) / warmup, 1) * '}(1 + math.cos(math.pi * progress)) / 2`,
  ],
  step: ({ every, factor }) => [`return ${number(factor)} ** (step // (${number(every)} * steps_per_epoch))`],
  inverse: ({ rate }) => [`return 1 / (1 + ${number(rate)} * step)`],
};

export const scheduleLines = ({ train: { schedule } }: Graph): string[] => [
  'def schedule(step: int, steps_per_epoch: int, total_steps: int) -> float:',
  '    """The factor on the learning rate at a step, from 0."""',
  ...(SCHEDULES[schedule.kind] as (settings: ScheduleSettings) => readonly string[])(schedule).map((line) => `    ${line}`),
];
