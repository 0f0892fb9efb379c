// Random syntax trees for fast-check, without places, and the comparison of trees.

import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { Arg, Arm, Call, Cell, Expr, File, Ident, Item, Let, Name, Net, NumberLiteral, Stage, Stepping, StepRoute, Value } from '../../compiler/1-syntax/ast.ts';
import type { Loc } from '../../compiler/diagnostics.ts';

const loc: Loc = { file: '', line: 1, column: 1, span: { start: 0, end: 0 } };

export const RESERVED = ['net', 'input', 'view', 'let', 'layer', 'cell', 'streams', 'twin', 'backward', 'output', 'loss', 'train', 'import'];
export const CONTEXTUAL = [
  'step', 'stage', 'from', 'of', 'init', 'repeat', 'both', 'cross', 'shared', 'straight', 'zigzag', 'swap', 'concat', 'add', 'mean', 'grad', 'true', 'false',
];
const ORDINARY = ['x', 'y7', 'h', 'image', 'conv', 'elu', '_a', 'Recurrent', 'outptu', 'layr', 'stpe'];

/** Every word is a name where the grammar wants a name. */
const word = fc.constantFrom(...ORDINARY, ...CONTEXTUAL, ...RESERVED);
const ident: Arbitrary<Ident> = word.map((name) => ({ name, loc }));
const plainIdent: Arbitrary<Ident> = fc.constantFrom(...ORDINARY, ...CONTEXTUAL).map((name) => ({ name, loc }));
const number: Arbitrary<NumberLiteral> = fc.constantFrom('0', '12', '0.5', '8e-5', '1.0', '3e+2', '1E5').map((text) => ({ kind: 'number', value: Number(text), text, loc }));
const whole: Arbitrary<NumberLiteral> = fc.nat(300).map((value) => ({ kind: 'number', value, text: String(value), loc }));
const name: Arbitrary<Name> = word.map((text) => ({ kind: 'name', name: text, loc }));
const some = <T>(part: Arbitrary<T>, most = 3): Arbitrary<T[]> => fc.array(part, { minLength: 1, maxLength: most });

const { expr, value, call } = fc.letrec<{ expr: Expr; value: Value; call: Call; arg: Arg; target: Call | Name }>((tie) => ({
  expr: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    name,
    number,
    fc.record({ kind: fc.constant('index' as const), stream: ident, index: fc.integer({ min: -9, max: 99 }), loc: fc.constant(loc) }),
    tie('call'),
    fc.record({ kind: fc.constant('negate' as const), value: tie('expr'), loc: fc.constant(loc) }),
    fc.record({ kind: fc.constant('binary' as const), op: fc.constantFrom('+' as const, '-' as const, '*' as const, '/' as const), left: tie('expr'), right: tie('expr'), loc: fc.constant(loc) }),
    fc.record({ kind: fc.constant('flow' as const), value: tie('expr'), target: tie('target'), loc: fc.constant(loc) }),
  ),
  target: fc.oneof({ maxDepth: 5 }, name, tie('call')),
  call: fc.record({ kind: fc.constant('call' as const), callee: ident, args: fc.array(tie('arg'), { maxLength: 3 }), loc: fc.constant(loc) }),
  arg: fc.oneof(tie('value').map((given): Arg => ({ value: given, loc })), fc.tuple(ident, tie('value')).map(([key, given]): Arg => ({ name: key, value: given, loc }))),
  value: fc.oneof(
    { maxDepth: 4 },
    fc.boolean().map((truth): Value => ({ kind: 'boolean', value: truth, loc })),
    fc.constantFrom('', 'a b', '// {(', '# é \t').map((text): Value => ({ kind: 'string', value: text, loc })),
    fc.tuple(number, number).map(([low, high]): Value => ({ kind: 'range', low, high, loc })),
    tie('expr'),
    some(tie('value')).map((items): Value => ({ kind: 'list', items, loc })),
  ),
}));

/** `keyword` must be there where the first name is reserved. */
const lets: Arbitrary<Let> = fc.oneof(
  fc.tuple(some(ident), expr).map(([names, given]): Let => ({ kind: 'let', names, value: given, keyword: true, loc })),
  fc.tuple(plainIdent, fc.array(ident, { maxLength: 2 }), expr).map(([first, others, given]): Let => ({ kind: 'let', names: [first, ...others], value: given, keyword: false, loc })),
);
const arms = some(fc.tuple(ident, expr).map(([stream, given]): Arm => ({ stream, value: given, loc })));
const route: Arbitrary<StepRoute> = fc.oneof(
  fc.constantFrom('straight' as const, 'zigzag' as const).map((form): StepRoute => ({ form, loc })),
  arms.map((parts): StepRoute => ({ form: 'arms', arms: parts, loc })),
);
const { stepping } = fc.letrec<{ stepping: Stepping }>((tie) => ({
  stepping: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.tuple(expr, route).map(([given, way]): Stepping => ({ kind: 'step', value: given, route: way, loc })),
    fc.tuple(whole, fc.array(tie('stepping'), { maxLength: 3 })).map(([count, body]): Stepping => ({ kind: 'repeat', count, body, loc })),
  ),
}));

/** The words that begin a stage are no stream's name there. */
const streamNames = fc.uniqueArray(fc.constantFrom('L', 'R', 'M', 'image', 'output', 'step', 'loss', 'train', 'net', 'view', 'mean').map((text): Ident => ({ name: text, loc })), {
  minLength: 1, maxLength: 4, selector: (part) => part.name,
});
const target: Arbitrary<Call | Name> = fc.oneof(name, call);
const stages = (streams: readonly Ident[]): Arbitrary<Stage[]> => {
  const { stage } = fc.letrec<{ stage: Stage }>((tie) => ({
    stage: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constantFrom('swap' as const, 'concat' as const, 'add' as const, 'mean' as const).map((form): Stage => ({ kind: 'cross', form, loc })),
      arms.map((parts): Stage => ({ kind: 'cross', form: 'arms', arms: parts, loc })),
      fc.record({
        kind: fc.constant('pipe' as const),
        streams: fc.oneof(fc.constant('both' as const), some(fc.constantFrom(...streams))),
        pipe: some(target, 4),
        shared: fc.boolean(),
        loc: fc.constant(loc),
      }),
      fc.tuple(whole, fc.array(tie('stage'), { maxLength: 3 })).map(([count, body]): Stage => ({ kind: 'repeat', count, body, loc })),
    ),
  }));
  return fc.array(stage, { maxLength: 4 });
};

const cell: Arbitrary<Cell> = fc.record({
  kind: fc.constant('cell' as const),
  name: ident,
  params: fc.array(ident, { minLength: 2, maxLength: 4 }),
  body: fc.array(lets, { maxLength: 3 }),
  result: expr,
  loc: fc.constant(loc),
});

const item: Arbitrary<Item> = fc.oneof(
  fc.tuple(ident, some(whole)).map(([key, shape]): Item => ({ kind: 'input', name: key, shape, loc })),
  fc.tuple(ident, expr).map(([key, given]): Item => ({ kind: 'view', name: key, value: given, loc })),
  lets,
  fc.tuple(ident, call).map(([key, given]): Item => ({ kind: 'layer', name: key, value: given, loc })),
  cell,
  fc.tuple(some(ident), ident, fc.boolean(), fc.option(expr, { nil: undefined }), fc.array(stepping, { maxLength: 3 })).map(([names, of, shared, init, steps]): Item => ({
    kind: 'streams', names, cell: of, shared, ...(init === undefined ? {} : { init }), steps, loc,
  })),
  streamNames.chain((names) => fc.tuple(some(expr), stages(names)).map(([from, parts]): Item => ({ kind: 'twin', names, from, stages: parts, loc }))),
  fc.array(fc.record({ target: ident, mode: fc.constantFrom('=' as const, '+=' as const), value: expr, loc: fc.constant(loc) }), { maxLength: 3 }).map((routes): Item => ({ kind: 'backward', routes, loc })),
  fc.tuple(ident, fc.option(expr, { nil: undefined })).map(([key, given]): Item => ({ kind: 'output', name: key, ...(given === undefined ? {} : { value: given }), loc })),
  expr.map((given): Item => ({ kind: 'loss', value: given, loc })),
  fc.array(fc.record({ key: ident, value, loc: fc.constant(loc) }), { maxLength: 4 }).map((settings): Item => ({ kind: 'train', settings, loc })),
);

export const anyExpr = expr;
export const anyItem = item;
export const anyFile: Arbitrary<File> = fc.record({
  imports: fc.array(fc.constantFrom('a.zz', '../b c.zz').map((path) => ({ path, loc })), { maxLength: 2 }),
  nets: fc.array(fc.tuple(ident, fc.array(item, { maxLength: 5 })).map(([key, items]): Net => ({ name: key, items, loc })), { maxLength: 2 }),
  comments: fc.constant([]),
  loc: fc.constant(loc),
});

/** A tree without places and comments. */
export function bare(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(bare);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(Object.entries(node).filter(([key]) => key !== 'loc' && key !== 'comments').map(([key, part]) => [key, bare(part)]));
}
