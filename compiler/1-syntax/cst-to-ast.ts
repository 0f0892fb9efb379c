// From chevrotain's tree of tokens to the syntax tree. Parts that an error left out become holes, so that what stands around them is still there.

import type { CstNode, IToken } from 'chevrotain';
import { diagnostic, quote } from '../diagnostics.ts';
import type { Diagnostic, Loc, Span } from '../diagnostics.ts';
import type {
  Arg, Arm, Binary, Call, Cell, Comment, Expr, File, Ident, Import, Item, Let, Name, Net, NumberLiteral, Stage, Stepping, StepRoute, Train, Value,
} from './ast.ts';
import type { Fault } from './recovery.ts';
import { BadNumber, endOf, is, Shared, Zigzag } from './tokens.ts';

/** The longest chain of operations, or the deepest nest of them. Later stages may recurse so deep. */
export const MAX_HEIGHT = 1000;

/** The name that stands for an expression, a cell or a function that could not be read. It has been reported; nothing more is to be said of it. */
export const HOLE = '';

// The children of a node lie under the names of rules, and are nodes, or under those of token types, and are tokens.
const nodes = (cst: CstNode, rule: string): readonly CstNode[] => (cst.children[rule] ?? []) as CstNode[];
const node = (cst: CstNode | undefined, rule: string): CstNode | undefined => (cst?.children[rule] as CstNode[] | undefined)?.[0];
const tokens = (cst: CstNode, type: string): readonly IToken[] => (cst.children[type] ?? []) as IToken[];
const token = (cst: CstNode | undefined, type: string): IToken | undefined => (cst?.children[type] as IToken[] | undefined)?.[0];

const startOf = (cst: CstNode): number => cst.location?.startOffset ?? 0;
const spanOf = (cst: CstNode): Span => ({ start: startOf(cst), end: (cst.location?.endOffset ?? startOf(cst) - 1) + 1 });
const inOrder = (parts: CstNode[]): CstNode[] => parts.sort((a, b) => startOf(a) - startOf(b));

/** Makes the tree of a file from its nodes, part by part in the order of the text. */
export interface TreeMaker {
  /** A statement of a net, with what is wrong in it or right after it. */
  readonly item: (cst: CstNode, faults: readonly Fault[]) => void;
  /** The net that these statements belong to, and the words that were lost in it. */
  readonly net: (cst: CstNode, lost: readonly IToken[]) => void;
  /** The file of these nets, so many characters long. */
  readonly file: (cst: CstNode, comments: readonly IToken[], length: number) => File;
}

/** `place` turns spans into places; `report` is given what only shows here: wrong numbers, endless chains, misplaced imports. */
export function createTreeMaker(place: (span: Span) => Loc, report: (diagnostic: Diagnostic) => void): TreeMaker {
  const nets: Net[] = [];
  let items: Item[] = [];
  /** An expression that ends where an error begins may lack its rest. */
  let cutOff: ReadonlySet<number> = new Set();
  const locOf = (part: CstNode): Loc => place(spanOf(part));
  const at = (part: IToken): Loc => place({ start: part.startOffset, end: endOf(part) });
  const between = (start: number, end: number): Loc => place({ start, end });
  const wrong = (part: IToken, expected: string, message = `unexpected ${quote(part.image)}`): void =>
    report(diagnostic('ZZ1003', at(part), message, { expected, found: quote(part.image) }));

  const ident = (part: IToken | undefined, end: number): Ident =>
    part === undefined ? { name: HOLE, loc: between(end, end) } : { name: part.image.slice(0, 255), loc: at(part) };
  const idents = (parts: readonly IToken[]): Ident[] => parts.map((part) => ident(part, 0));
  const hole = (end: number): Name => ({ kind: 'name', name: HOLE, loc: between(end, end) });

  const number = (part: IToken): NumberLiteral => ({ kind: 'number', value: Number.parseFloat(part.image), text: part.image, loc: at(part) });
  const whole = (part: IToken): NumberLiteral => {
    if (!/^\d+$/.test(part.image) && !is(part, BadNumber)) wrong(part, 'a whole number');
    return number(part);
  };

  /** Levels of operations in an expression. A tree that grows too high is cut here, so that no later stage overflows its stack. */
  const heights = new Map<Value, number>();
  const height = (parts: readonly Value[]): number => parts.reduce((most, part) => Math.max(most, heights.get(part) ?? 0), 0);
  /** The value, or `cut` where its parts leave no room for one level more: that is reported once and passed on upwards. */
  const over = <V extends Value, C extends Value>(value: V, parts: readonly Value[], cut: C): V | C => {
    const levels = height(parts) + 1;
    if (levels === MAX_HEIGHT + 1) report(diagnostic('ZZ1005', value.loc, `more than ${MAX_HEIGHT} operations one after the other or inside each other`));
    const kept = levels > MAX_HEIGHT ? cut : value;
    heights.set(kept, kept === cut ? Infinity : levels);
    return kept;
  };

  const expr = (cst: CstNode | undefined, end: number): Expr => {
    if (cst === undefined || cutOff.has(spanOf(cst).end)) return hole(end);
    const parts = nodes(cst, 'operand');
    const [first] = parts;
    if (first === undefined) return hole(end);
    const operators = tokens(cst, 'BinaryOp');
    // A sum of products, each folded to the left. Starts are those of the text, with parentheses.
    let sum: { readonly left: Expr; readonly op: '+' | '-' } | undefined;
    let [product, productStart, productEnd] = [operand(first), startOf(first), spanOf(first).end];
    const binary = (op: Binary['op'], left: Expr, right: Expr, start: number): Expr =>
      over({ kind: 'binary', op, left, right, loc: between(start, productEnd) }, [left, right], hole(productEnd));
    const total = (): Expr => (sum === undefined ? product : binary(sum.op, sum.left, product, startOf(first)));
    operators.forEach(({ image }, i) => {
      const part = parts[i + 1];
      if (part === undefined) return;
      const next = operand(part);
      if (image === '+' || image === '-') {
        sum = { left: total(), op: image };
        [product, productStart, productEnd] = [next, startOf(part), spanOf(part).end];
      } else {
        productEnd = spanOf(part).end;
        product = binary(image === '*' ? '*' : '/', product, next, productStart);
      }
    });
    return total();
  };

  const operand = (cst: CstNode): Expr => {
    const { start } = spanOf(cst);
    const minuses = tokens(cst, 'Minus');
    const [base, baseEnd] = atom(cst);
    const negated = minuses.reduceRight<Expr>((value, minus) => over({ kind: 'negate', value, loc: between(minus.startOffset, baseEnd) }, [value], hole(baseEnd)), base);
    return nodes(cst, 'target').reduce<Expr>((value, target) => {
      const to = targetOf(target);
      return over({ kind: 'flow', value, target: to, loc: between(start, to.loc.span.end) }, [value, to], hole(to.loc.span.end));
    }, negated);
  };

  /** What an operand's minuses and arrows stand around, and where it ends. */
  const atom = (cst: CstNode): [Expr, number] => {
    const [inner, literal, name, args, index] = [node(cst, 'expr'), token(cst, 'Number'), token(cst, 'Word'), node(cst, 'args'), node(cst, 'index')];
    if (inner !== undefined) return [expr(inner, spanOf(inner).end), token(cst, 'RParen')?.endOffset ?? spanOf(inner).end];
    if (literal !== undefined) return [number(literal), endOf(literal)];
    if (name === undefined) return [hole(spanOf(cst).end), spanOf(cst).end];
    if (args !== undefined) return [call(name, args), spanOf(args).end];
    const digits = token(index, 'Number');
    if (index === undefined || digits === undefined) return [{ kind: 'name', name: ident(name, 0).name, loc: at(name) }, endOf(name)];
    const { end } = spanOf(index);
    const step = whole(digits).value;
    const signed = token(index, 'Minus') === undefined ? step : -step;
    return [{ kind: 'index', stream: ident(name, 0), index: signed, loc: between(name.startOffset, end) }, end];
  };

  const call = (name: IToken, args: CstNode): Call => {
    const made: Call = { kind: 'call', callee: ident(name, 0), args: nodes(args, 'arg').map(arg), loc: between(name.startOffset, spanOf(args).end) };
    return over(made, made.args.map((a) => a.value), { ...made, callee: { ...made.callee, name: HOLE }, args: [] });
  };
  const targetOf = (cst: CstNode): Call | Name => {
    const [name, args] = [token(cst, 'Word'), node(cst, 'args')];
    if (name === undefined) return hole(spanOf(cst).end);
    return args === undefined ? { kind: 'name', name: ident(name, 0).name, loc: at(name) } : call(name, args);
  };
  const arg = (cst: CstNode): Arg => {
    const [name, equal] = [token(cst, 'Word'), token(cst, 'Equal')];
    if (equal !== undefined) wrong(equal, "':' after the name of an argument");
    const { end } = spanOf(cst);
    return { ...(name === undefined ? {} : { name: ident(name, 0) }), value: value(node(cst, 'value'), end), loc: locOf(cst) };
  };

  const value = (cst: CstNode | undefined, end: number): Value => {
    if (cst === undefined) return hole(end);
    const loc = locOf(cst);
    const [text, truth] = [token(cst, 'String'), token(cst, 'True') ?? token(cst, 'False')];
    if (text !== undefined) return { kind: 'string', value: unquoted(text), loc };
    if (truth !== undefined) return { kind: 'boolean', value: truth.image === 'true', loc };
    const [low, high] = tokens(cst, 'Number');
    if (low !== undefined && high !== undefined) return { kind: 'range', low: number(low), high: number(high), loc };
    const list = node(cst, 'list');
    if (list === undefined) return expr(node(cst, 'expr'), end);
    const items = nodes(list, 'value').map((item) => value(item, end));
    return over({ kind: 'list', items, loc }, items, hole(end));
  };

  const namesOf = (cst: CstNode): Ident[] => nodes(cst, 'names').flatMap((names) => idents(tokens(names, 'Word')));
  const arms = (cst: CstNode): Arm[] =>
    nodes(cst, 'arms').flatMap((list) => nodes(list, 'arm')).map((arm) => ({
      stream: ident(token(arm, 'Word'), startOf(arm)),
      value: expr(node(arm, 'expr'), spanOf(arm).end),
      loc: locOf(arm),
    }));

  const route = (cst: CstNode | undefined, end: number): StepRoute => {
    if (cst === undefined) return { form: 'straight', loc: between(end, end) };
    const word = token(cst, 'Straight') ?? token(cst, 'Zigzag');
    return word === undefined ? { form: 'arms', arms: arms(cst), loc: locOf(cst) } : { form: word.tokenType === Zigzag ? 'zigzag' : 'straight', loc: locOf(cst) };
  };
  const count = (cst: CstNode): NumberLiteral => {
    const digits = token(cst, 'Number');
    return digits === undefined ? { kind: 'number', value: 1, text: '1', loc: locOf(cst) } : whole(digits);
  };
  const steppings = (cst: CstNode): Stepping[] => inOrder([...nodes(cst, 'step'), ...nodes(cst, 'repeatSteps')]).map((part) => {
    const [loc, { end }] = [locOf(part), spanOf(part)];
    if (part.name === 'repeatSteps') return { kind: 'repeat', count: count(part), body: steppings(part), loc };
    return { kind: 'step', value: expr(node(part, 'expr'), end), route: route(node(part, 'route'), end), loc };
  });

  const stages = (cst: CstNode): Stage[] => nodes(cst, 'stage').map((part) => {
    const loc = locOf(part);
    const [repeat, cross] = [node(part, 'repeatStages'), node(part, 'cross')];
    if (repeat !== undefined) return { kind: 'repeat', count: count(repeat), body: stages(repeat), loc };
    if (cross !== undefined) {
      const [, form] = CROSS_FORMS.find(([type]) => token(cross, type) !== undefined) ?? [];
      return form === undefined ? { kind: 'cross', form: 'arms', arms: arms(cross), loc } : { kind: 'cross', form, loc };
    }
    const streams = token(part, 'Both') === undefined ? idents(tokens(part, 'StageName')) : 'both';
    return { kind: 'pipe', streams, pipe: nodes(part, 'target').map(targetOf), shared: token(part, Shared.name) !== undefined, loc };
  });

  const lets = (cst: CstNode): Let => ({
    kind: 'let',
    names: idents([...tokens(cst, 'LetName'), ...tokens(cst, 'Word')]),
    value: expr(node(cst, 'expr'), spanOf(cst).end),
    keyword: token(cst, 'Let') !== undefined,
    loc: locOf(cst),
  });

  const makers: { readonly [rule: string]: (cst: CstNode, name: Ident, loc: Loc) => Item } = {
    inputItem: (cst, name, loc) => {
      const shape = node(cst, 'shape');
      // An input without a shape still has a name, but nothing can be said of its value.
      if (shape === undefined) return { kind: 'let', names: [name], value: hole(loc.span.end), keyword: true, loc };
      return { kind: 'input', name, shape: tokens(shape, 'Number').map(whole), loc };
    },
    view: (cst, name, loc) => ({ kind: 'view', name, value: expr(node(cst, 'expr'), loc.span.end), loc }),
    let: lets,
    layer: (cst, name, loc) => {
      const made = node(cst, 'call');
      const [callee, args] = [token(made, 'Word'), node(made, 'args')];
      const empty: Call = { kind: 'call', callee: ident(undefined, loc.span.end), args: [], loc: between(loc.span.end, loc.span.end) };
      return { kind: 'layer', name, value: callee === undefined || args === undefined ? empty : call(callee, args), loc };
    },
    cell: (cst, name, loc): Cell => {
      const params = node(cst, 'params');
      // Without its parameters nothing can be said of a body.
      if (params === undefined) return { kind: 'cell', name, params: [], body: [], result: hole(loc.span.end), loc };
      return { kind: 'cell', name, params: idents(tokens(params, 'Word')), body: nodes(cst, 'let').map(lets), result: expr(node(cst, 'expr'), loc.span.end), loc };
    },
    streams: (cst, cell, loc) => ({
      kind: 'streams',
      names: namesOf(cst),
      cell,
      shared: token(cst, Shared.name) !== undefined,
      ...(token(cst, 'Init') === undefined ? {} : { init: expr(node(cst, 'expr'), loc.span.end) }),
      steps: steppings(cst),
      loc,
    }),
    twin: (cst, _, loc) => ({ kind: 'twin', names: namesOf(cst), from: nodes(cst, 'expr').map((from) => expr(from, loc.span.end)), stages: stages(cst), loc }),
    backward: (cst, _, loc) => ({
      kind: 'backward',
      routes: nodes(cst, 'gradRoute').map((part) => ({
        target: ident(token(part, 'Word'), startOf(part)),
        mode: token(part, 'PlusEqual') === undefined ? '=' : '+=',
        value: expr(node(part, 'expr'), spanOf(part).end),
        loc: locOf(part),
      })),
      loc,
    }),
    output: (cst, name, loc) => ({ kind: 'output', name, ...(token(cst, 'Equal') === undefined ? {} : { value: expr(node(cst, 'expr'), loc.span.end) }), loc }),
    loss: (cst, _, loc) => ({ kind: 'loss', value: expr(node(cst, 'expr'), loc.span.end), loc }),
    train: (cst, _, loc): Train => ({
      kind: 'train',
      settings: nodes(cst, 'setting').map((part) => {
        const sign = token(part, 'Equal') ?? token(part, 'Colon');
        if (sign !== undefined) wrong(sign, 'a value, as in batch 25');
        return { key: ident(token(part, 'Key'), startOf(part)), value: value(node(part, 'value'), spanOf(part).end), loc: locOf(part) };
      }),
      loc,
    }),
  };

  /** Holes for names that went with what was skipped, so that their uses are no errors. */
  const holesFor = (lost: readonly IToken[]): Let[] => {
    const known = new Set(items.flatMap(definedBy));
    return lost.filter(({ image }) => !known.has(image) && known.add(image)).map((word) => ({ kind: 'let', names: [ident(word, 0)], value: hole(endOf(word)), keyword: true, loc: at(word) }));
  };

  return {
    item(cst, faults) {
      const [rule = ''] = Object.keys(cst.children);
      const [part, make] = [node(cst, rule), makers[rule]];
      if (part === undefined || make === undefined) return;
      cutOff = new Set(faults.flatMap(({ previous }) => (previous === undefined ? [] : [endOf(previous)])));
      items.push(make(part, ident(token(part, 'Word'), startOf(part)), locOf(part)));
    },
    net(cst, lost) {
      const all = lost.length === 0 ? items : [...items, ...holesFor(lost)].sort((a, b) => a.loc.span.start - b.loc.span.start);
      nets.push({ name: ident(token(cst, 'Word'), spanOf(cst).end), items: all, loc: locOf(cst) });
      items = [];
    },
    file(cst, comments, length) {
      const imports = nodes(cst, 'import');
      const first = nets[0]?.loc.span.start ?? Infinity;
      for (const late of imports) {
        const keyword = token(late, 'Import');
        if (keyword !== undefined && startOf(late) > first) wrong(keyword, 'imports above the first net', 'an import below a net');
      }
      return {
        imports: imports.flatMap((each) => tokens(each, 'String').map((path): Import => ({ path: unquoted(path), loc: locOf(each) }))),
        nets,
        comments: comments.map((comment): Comment => ({ text: comment.image.trimEnd(), loc: at(comment) })),
        loc: between(0, length),
      };
    },
  };
}

/** The names that an item defines in its net. */
function definedBy(item: Item): string[] {
  if (item.kind === 'output' && item.value === undefined) return [];
  if ('names' in item) return item.names.map(({ name }) => name);
  return 'name' in item ? [item.name.name] : [];
}

const CROSS_FORMS = [['Swap', 'swap'], ['Concat', 'concat'], ['Add', 'add'], ['Mean', 'mean']] as const;

const unquoted = ({ image }: IToken): string => image.slice(1, image.length > 1 && image.endsWith('"') ? -1 : undefined);
