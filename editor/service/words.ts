// How things are written out for people: signatures, parameters, statements of the language. Markdown where it says so.

import type { Param, Params } from '../../compiler/2-graph/build/arguments.ts';
import type { Span } from '../../compiler/diagnostics.ts';
import type { BlockKind } from './context.ts';

/** `conv(x, channels, k: 3)`, and where in it each parameter stands. */
export function signature(name: string, params: Params): { readonly label: string; readonly places: readonly Span[] } {
  const places: Span[] = [];
  let label = `${name}(`;
  for (const [each, param] of Object.entries(params)) {
    if (places.length > 0) label += ', ';
    const shown = `${param.rest ? '...' : ''}${each}${param.fallback ? `: ${param.fallback.shown}` : ''}`;
    places.push({ start: label.length, end: label.length + shown.length });
    label += shown;
  }
  return { label: `${label})`, places };
}

/** `a whole number from 1, 3 where it is left out` */
export const takes = ({ takes: what, fallback }: Pick<Param<unknown>, 'takes' | 'fallback'>): string => `${what}${fallback ? `, \`${fallback.shown}\` where it is left out` : ''}`;

/** Parameters as a Markdown list. */
export const parameterList = (params: Params): string => Object.entries(params).map(([name, param]) => `- \`${name}\`: ${takes(param)}`).join('\n');

export interface Statement {
  readonly word: string;
  readonly summary: string;
  /** What the word is completed to, with `${1:places}` to fill in. */
  readonly snippet: string;
}

const row = (word: string, snippet: string, summary: string): Statement => ({ word, snippet, summary });

/** The statements of each kind of block. */
export const STATEMENTS: { readonly [K in BlockKind]: readonly Statement[] } = {
  file: [
    row('net', 'net ${1:Name} {\n  input ${2:image}: [${3:32, 32, 3}]\n  $0\n}', 'A network: what enters, what is computed, what comes out, how it is trained.'),
    row('import', 'import "${1:file.zz}"', 'Makes the nets and cells of another file known, by a path relative to this one.'),
  ],
  net: [
    row('input', 'input ${1:image}: [${2:32, 32, 3}]', 'What enters: height, width and channels of each image, without the batch.'),
    row('view', 'view ${1:flipped} = ${2:image} -> ${3:hflip(p: 1.0)}', 'An augmented reading of an input: random while training, the plain input when evaluating.'),
    row('let', 'let ${1:name} = $0', 'Names a value; several names take the parts of a split.'),
    row('layer', 'layer ${1:name} = ${2:dense(10)}', 'A named set of weights: every use of the name shares them.'),
    row('cell', 'cell ${1:Recurrent}(${2:x}, ${3:h}) { ${0:elu(conv(x, 16, k: 3) + conv(h, 16, k: 1))} }', 'What a stream does at a step: input and state in, new state out. The last expression is the new state.'),
    row('streams', 'streams ${1:L, R} of ${2:Recurrent} {\n  step ${3:image}: straight\n  $0\n}', 'Runs a cell once per step, all streams side by side, the states routed between steps.'),
    row('twin', 'twin ${1:L, R} from ${2:a, b} {\n  both ${3:conv(16, k: 3) -> elu}\n  cross ${4:concat}\n}', 'Stacks of layers side by side, and how they exchange their values.'),
    row('backward', 'backward {\n  grad(${1:name}) = $0\n}', 'Declares adjoints in place of, or beside, those that autodiff finds.'),
    row('output', 'output ${1:name}', 'What the net gives. `output name = expression` defines it at the same place.'),
    row('loss', 'loss ${1:softmax_cross_entropy(${2:logits})}', 'A scalar to be made small. Several losses add up.'),
    row('train', 'train {\n  $0\n}', 'Training settings. Each has a default and a flag of `zz train`.'),
  ],
  cell: [row('let', 'let ${1:name} = $0', 'Names a value of the cell.')],
  streams: [
    row('step', 'step ${1:image}: ${2:straight}', 'One step of all streams: what they see, and which state each takes.'),
    row('repeat', 'repeat ${1:2} {\n  $0\n}', 'The steps inside, so many times.'),
    row('init', 'init ${1:zeros}', 'The state before the first step; zeros where it is not given.'),
  ],
  twin: [
    row('both', 'both ${0:conv(16, k: 3) -> elu}', 'The same pipeline on every stream, with weights of its own for each, or one set if `shared` follows.'),
    row('cross', 'cross ${1:concat}', 'Exchanges the values of the streams.'),
    row('repeat', 'repeat ${1:2} {\n  $0\n}', 'The stages inside, so many times.'),
  ],
  backward: [row('grad', 'grad(${1:name}) = $0', 'The adjoint of a named value: `=` replaces what autodiff found, `+=` adds to it.')],
  train: [],
};

/** What stands after `step …:` and after `cross`, and other words of the grammar. */
export const FORMS: Readonly<Record<'route' | 'cross' | 'other', readonly Statement[]>> = {
  route: [
    row('straight', 'straight', 'Each stream takes its own last state.'),
    row('zigzag', 'zigzag', 'Each stream takes the state of the one before it in the list, the first that of the last.'),
  ],
  cross: [
    row('swap', 'swap', 'Each stream takes the value of the one before it; the first that of the last.'),
    row('concat', 'concat', 'Each stream becomes itself followed by the others, along the channels.'),
    row('add', 'add', 'All streams take the sum.'),
    row('mean', 'mean', 'All streams take the mean.'),
  ],
  other: [
    row('of', 'of ${1:Cell} {\n  $0\n}', 'The cell that the streams run.'),
    row('from', 'from ${1:a, b} {\n  $0\n}', 'The values that the streams begin with, one for each.'),
    row('shared', 'shared', 'One set of weights for all streams.'),
  ],
};

const EVERY: readonly Statement[] = [...Object.values(STATEMENTS).flat(), ...Object.values(FORMS).flat()];

/** What a keyword is for. */
export const keyword = (word: string): Statement | undefined => EVERY.find((each) => each.word === word);
