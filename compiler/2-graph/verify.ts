// The verifier: what must hold of every graph, after building and after each pass.

import type { Loc } from '../diagnostics.ts';
import { MAX_NESTING } from './fields.ts';
import type { Augmentation, Graph, Node, Region, Tags, TrainSettings, ValueId, ViewSpec } from './graph.ts';
import { OPS } from './ops.ts';
import type { AttrSpec, OpKind } from './ops.ts';
import { checkArity, checkDims, inferType, ShapeError } from './shapes.ts';
import { sameType, showType } from './types.ts';
import type { Dim, Shape, TensorType } from './types.ts';

/** Everything that is wrong with a graph, one line each. */
export class VerifyError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the graph is not well formed:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'VerifyError';
    this.problems = problems;
  }
}

/** Throws VerifyError, listing every problem, unless the graph is well formed. */
export function verify(graph: Graph): void {
  const problems = [...graphProblems(graph)];
  if (problems.length > 0) throw new VerifyError(problems);
}

/** Ids are what the text form reads after a `%`. */
export const ID_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9_.-]*$';
const ID = new RegExp(ID_PATTERN);

type Problems = Generator<string, void, undefined>;
type Types = Map<ValueId, TensorType>;

/** What a call needs to know of a region whose body is sound. */
interface Signature {
  readonly region: Region;
  readonly result: TensorType;
  /** Weights and states of the graph that its body reads. */
  readonly captures: readonly ValueId[];
}

interface Scope {
  /** Values defined so far. */
  readonly types: Types;
  /** Ids that are defined further down, to tell a bad order from an unknown name. */
  readonly all: ReadonlySet<ValueId>;
  readonly signatures: ReadonlyMap<string, Signature | undefined>;
}

function* graphProblems(graph: Graph): Problems {
  const shared = new Map(graph.nodes.filter((node) => node.kind === 'weight' || node.kind === 'state').map((node) => [node.id, node.type]));
  const signatures = new Map<string, Signature | undefined>();
  for (const region of graph.regions) {
    if (signatures.has(region.name)) yield `region ${region.name}: is defined twice`;
    signatures.set(region.name, yield* regionProblems(region, shared, signatures));
  }

  const scope: Scope = { types: new Map(), all: new Set(graph.nodes.map((node) => node.id)), signatures };
  for (const node of graph.nodes) yield* prefixed(`%${node.id} ${node.kind}`, nodeProblems(node, scope));

  yield* rootProblems(graph, scope.types);
  yield* viewProblems(graph);
  yield* prefixed('train', settingsProblems(graph.train));
}

function* prefixed(where: string, problems: Iterable<string>): Problems {
  for (const problem of problems) yield `${where}: ${problem}`;
}

function* regionProblems(region: Region, shared: Types, signatures: Scope['signatures']): Generator<string, Signature | undefined, undefined> {
  const where = `region ${region.name}`;
  const own = [...region.params, ...region.nodes];
  for (const { id } of own) if (shared.has(id)) yield `${where}: %${id} hides a weight or state of the graph`;

  const types: Types = new Map(shared);
  for (const param of region.params) {
    yield* prefixed(`${where}: parameter %${param.id}`, [...idProblems(param.id), ...typeProblems(param.type), ...definition(types, shared, param.id)]);
    types.set(param.id, param.type);
  }
  const scope: Scope = { types, all: new Set(own.map(({ id }) => id)), signatures };
  for (const node of region.nodes) {
    const at = `${where}: %${node.id} ${node.kind}`;
    if (['input', 'labels', 'weight', 'state'].includes(node.kind)) yield `${at}: belongs to the graph, not to a region`;
    yield* prefixed(at, nodeProblems(node, scope));
  }
  const result = types.get(region.result);
  if (!result) {
    yield `${where}: its result %${region.result} is not defined`;
    return undefined;
  }
  const read = new Set([region.result, ...region.nodes.flatMap((node) => node.inputs)]);
  return { region, result, captures: [...shared.keys()].filter((id) => read.has(id)) };
}

/** A parameter's name must be new, though it may stand for a value of the graph outside the region. */
const definition = (types: Types, shared: Types, id: ValueId): string[] => (types.has(id) && !shared.has(id) ? ['is defined twice'] : []);

/** The problems of one node; adds it to the scope. */
function* nodeProblems(node: Node, scope: Scope): Problems {
  const { types, all } = scope;
  yield* idProblems(node.id);
  if (types.has(node.id)) yield 'is defined twice';
  yield* node.locs.flatMap(locProblems);
  yield* tagProblems(node.tags);
  const badType = typeProblems(node.type);
  yield* badType;

  if (!Object.hasOwn(OPS, node.kind)) yield 'there is no such operation';
  else {
    const missing = node.inputs.filter((id) => !types.has(id));
    yield* missing.map((id) => (id === node.id ? 'uses itself' : all.has(id) ? `operand %${id} is defined after its use` : `operand %${id} is not defined`));
    const badAttrs = attrProblems(node.kind, node.attrs);
    yield* badAttrs;
    if (missing.length + badAttrs.length + badType.length === 0) yield* inferenceProblems(node, scope);
  }
  types.set(node.id, node.type);
}

/** A node whose operands and attributes are sound has the type that its shape rule, or its region, gives. */
function* inferenceProblems(node: Node, { types, signatures }: Scope): Problems {
  const operands = node.inputs.map((id) => types.get(id) as TensorType);
  if (node.kind === 'call') yield* callProblems(node, operands, types, signatures);
  else {
    try {
      checkArity(node.kind, operands.length);
      const type = inferType(node.kind, node.attrs, operands);
      if (!sameType(type, node.type)) yield `its type is ${showType(node.type)}, but must be ${showType(type)}`;
    } catch (error) {
      yield error instanceof ShapeError ? `${error.message} (${error.code})` : (error as Error).message;
    }
  }
}

function* callProblems(node: Node<'call'>, operands: readonly TensorType[], types: Types, signatures: Scope['signatures']): Problems {
  const name = node.attrs.region;
  const signature = signatures.get(name);
  if (!signatures.has(name)) yield `there is no region ${name} above`;
  if (!signature) return;
  const { region, result, captures } = signature;
  const count = region.params.length;
  if (operands.length !== count) yield `region ${name} takes ${count} argument${count === 1 ? '' : 's'}, not ${operands.length}`;
  for (const [i, param] of region.params.entries()) {
    const operand = operands[i];
    if (operand && !sameType(operand, param.type)) yield `argument %${node.inputs[i]} is ${showType(operand)}, but %${param.id} of region ${name} is ${showType(param.type)}`;
  }
  for (const id of captures) if (!types.has(id)) yield `region ${name} reads %${id}, which is defined after this call`;
  if (!sameType(result, node.type)) yield `its type is ${showType(node.type)}, but region ${name} gives ${showType(result)}`;
}

const idProblems = (id: ValueId): string[] => (ID.test(id) ? [] : ['its id is not made of letters, digits, _, . and -']);

function typeProblems(type: TensorType): string[] {
  try {
    checkDims(type.shape);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

const locProblems = ({ file, line, column, span }: Loc): string[] =>
  natural(line, 1) && natural(column, 1) && natural(span.start) && natural(span.end) && span.start <= span.end ? [] : [`${file}:${line}:${column} (${span.start} to ${span.end}) is no location`];

const tagProblems = (tags: Tags): string[] =>
  Object.entries(tags).flatMap(([name, value]) => (typeof value !== 'number' || natural(value) ? [] : [`tag ${name} is ${value}, but must be a whole number from 0`]));

// Attributes.

const natural = (value: unknown, least = 0): value is number => Number.isSafeInteger(value) && (value as number) >= least && !Object.is(value, -0);
const integer = (value: unknown): boolean => natural(value, Number.MIN_SAFE_INTEGER);

const isDims = (value: unknown): boolean => {
  if (!Array.isArray(value)) return false;
  try {
    checkDims(value as Shape);
    return value.every((dim: Dim) => typeof dim === 'number' || typeof dim === 'string');
  } catch {
    return false;
  }
};

/** Whether a value has the form of an attribute, and what that form is called. */
const FORMS: { readonly [F in AttrSpec<unknown>['form']]: { readonly name: string; readonly test: (value: unknown, spec: AttrSpec<unknown>) => boolean } } = {
  int: { name: 'a whole number', test: integer },
  float: { name: 'a number', test: (value) => typeof value === 'number' },
  bool: { name: 'true or false', test: (value) => typeof value === 'boolean' },
  string: { name: 'a text', test: (value) => typeof value === 'string' },
  ints: { name: 'a list of whole numbers', test: (value) => Array.isArray(value) && value.every(integer) },
  dims: { name: 'a shape', test: isDims },
  enum: { name: 'one of', test: (value, spec) => typeof value === 'string' && (spec.values ?? []).includes(value) },
};

/** Ranges that no shape rule looks at, by attribute name. */
const RANGES: Readonly<Record<string, readonly [test: (value: number) => boolean, text: string]>> = {
  salt: [(value) => natural(value) && value < 2 ** 32, 'a whole number of 32 bits'],
  std: [(value) => Number.isFinite(value) && value >= 0, 'at least 0'],
  label_smoothing: [(value) => value >= 0 && value < 1, 'from 0 to below 1'],
};

function attrProblems(kind: OpKind, attrs: object): string[] {
  const specs: Readonly<Record<string, AttrSpec<unknown>>> = OPS[kind].attrs;
  const given = attrs as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(specs, name)).map((name) => `has no attribute ${name}`);
  const wrong = Object.entries(specs).flatMap(([name, spec]) => {
    const value = given[name];
    if (value === undefined) return spec.optional ? [] : [`lacks the attribute ${name}`];
    const form = FORMS[spec.form];
    if (!form.test(value, spec)) return [`attribute ${name} is ${show(value)}, but must be ${form.name}${spec.values ? ` ${spec.values.join(', ')}` : ''}`];
    const range = RANGES[name];
    return range && !range[0](value as number) ? [`attribute ${name} is ${show(value)}, but must be ${range[1]}`] : [];
  });
  return [...unknown, ...wrong];
}

const show = (value: unknown): string => (typeof value === 'number' ? (Object.is(value, -0) ? '-0' : String(value)) : JSON.stringify(value));

// What the graph as a whole names.

function* rootProblems(graph: Graph, types: Types): Problems {
  const kinds = new Map(graph.nodes.map((node) => [node.id, node.kind]));
  const defined = function* (where: string, ids: readonly ValueId[]): Problems {
    for (const id of ids) if (!types.has(id)) yield `${where}: %${id} is not defined`;
  };
  const typed = function* (where: string, id: ValueId, test: (type: TensorType) => boolean, wanted: string): Problems {
    yield* defined(where, [id]);
    const type = types.get(id);
    if (type && !test(type)) yield `${where}: %${id} is ${showType(type)}, but must be ${wanted}`;
  };
  const scalar = (type: TensorType): boolean => showType(type) === 'f32[]';
  /** `target` takes or gets `value`: both exist, with one type, and the target is of one of these kinds. */
  const pair = function* (where: string, target: ValueId, value: ValueId, allowed?: readonly OpKind[]): Problems {
    yield* defined(where, [target, value]);
    const [kind, type, given] = [kinds.get(target), types.get(target), types.get(value)];
    if (kind && allowed && !allowed.includes(kind)) yield `${where}: %${target} is of kind ${kind}, not ${allowed.join(' or ')}`;
    if (type && given && !sameType(type, given)) yield `${where}: %${value} is ${showType(given)}, but %${target} is ${showType(type)}`;
  };

  yield* repeated('output', graph.outputs.map((output) => output.name));
  for (const output of graph.outputs) yield* defined(`output ${output.name}`, [output.value]);
  if (graph.loss !== undefined) yield* typed('loss', graph.loss, scalar, 'f32[]');
  if (graph.classifier) {
    yield* typed('classifier', graph.classifier.logits, (type) => type.shape.length === 2, 'rows of class scores');
    yield* typed('classifier', graph.classifier.correct, scalar, 'f32[]');
  }
  yield* repeated('route =', graph.routes.filter((route) => route.mode === '=').map((route) => `%${route.target}`));
  for (const route of graph.routes) yield* pair(`route grad(%${route.target})`, route.target, route.value);
  yield* repeated('gradient', graph.gradients.map((gradient) => `%${gradient.weight}`));
  for (const { weight, value } of graph.gradients) yield* pair(`gradient %${weight}`, weight, value, ['weight']);
  yield* repeated('update', graph.updates.map((update) => `%${update.target}`));
  for (const { target, value } of graph.updates) yield* pair(`update %${target}`, target, value, ['weight', 'state']);
}

function* repeated(where: string, names: readonly string[]): Problems {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) yield `${where} ${name}: is given twice`;
    seen.add(name);
  }
}

/** Every input node has one view that fills it, and every view one input node. */
function* viewProblems({ nodes, views }: Graph): Problems {
  const inputs = nodes.flatMap((node) => (node.kind === 'input' ? [node.attrs.name] : []));
  const named = views.map((view) => view.name);
  yield* repeated('input', inputs);
  yield* repeated('view', named);
  const [fed, filled] = [new Set(named), new Set(inputs)];
  for (const name of inputs) if (!fed.has(name)) yield `input ${name}: has no view`;
  for (const view of views) {
    if (!filled.has(view.name)) yield `view ${view.name}: there is no input of this name`;
    yield* prefixed(`view ${view.name}`, partProblems(view));
  }
}

function* partProblems(view: ViewSpec): Problems {
  if (view.parts.length === 0) yield 'reads no input';
  for (const part of view.parts) for (const step of part.steps) yield* augmentationProblems(step);
}

const chance = (p: number): boolean => p >= 0 && p <= 1;
const length = (value: number): boolean => Number.isFinite(value) && value >= 0;

/** Whether an augmentation's numbers can be carried out; language.md's units. */
function augmentationOk(step: Augmentation): boolean {
  switch (step.op) {
    case 'hflip':
    case 'sometimes':
      return chance(step.p);
    case 'crop':
      return natural(step.pad);
    case 'blur':
      return length(step.sigma[0]) && length(step.sigma[1]) && step.sigma[0] <= step.sigma[1];
    case 'cutout':
      return natural(step.size);
    case 'brightness':
      return length(step.delta);
    case 'noise':
      return length(step.sigma);
  }
}

function* augmentationProblems(step: Augmentation, depth = 0): Problems {
  if (depth > MAX_NESTING) yield `augmentations are nested more than ${MAX_NESTING} deep`;
  else {
    if (!augmentationOk(step)) yield `${step.op} is out of range`;
    if (step.op === 'sometimes') yield* augmentationProblems(step.then, depth + 1);
  }
}

function* settingsProblems({ optimizer, schedule, batch, epochs, seed, weightDecay, clipNorm }: TrainSettings): Problems {
  if (!natural(batch, 1)) yield `batch is ${batch}, but must be a whole number from 1`;
  if (!natural(epochs)) yield `epochs is ${epochs}, but must be a whole number from 0`;
  if (!integer(seed)) yield `seed is ${seed}, but must be a whole number`;
  for (const [name, value] of Object.entries({ weight_decay: weightDecay, clip_norm: clipNorm, ...optimizer, ...schedule })) {
    if (typeof value === 'number' && !length(value)) yield `${name} is ${value}, but must be at least 0`;
  }
}
