// The JSON schema of a graph, made from the operations' and the settings' tables. graph.schema.json is its published copy.

import { AUGMENTATIONS, OPTIMIZERS, SCHEDULES, TAG_FIELDS, TRAIN_FIELDS } from './fields.ts';
import type { Field, Fields } from './fields.ts';
import { OP_KINDS, OPS } from './ops.ts';
import type { OpKind } from './ops.ts';
import { ID_PATTERN } from './verify.ts';

export type JsonSchema = { readonly [keyword: string]: unknown };

/** What a graph's JSON says it is. */
export const GRAPH_FORMAT = { format: 'zigzag-graph', version: 1 } as const;

/** Numbers that JSON cannot write. */
export const SPECIAL_FLOATS: Readonly<Record<string, number>> = { '-0': -0, inf: Infinity, '-inf': -Infinity, nan: NaN };

const ref = (name: string): JsonSchema => ({ $ref: `#/$defs/${name}` });
const array = (items: JsonSchema, more: JsonSchema = {}): JsonSchema => ({ type: 'array', items, ...more });
const natural = (minimum: number): JsonSchema => ({ type: 'integer', minimum });
const text: JsonSchema = { type: 'string' };

/** An object with these properties and no others. */
const object = (properties: JsonSchema, optional: readonly string[] = []): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});

const FORMS: { readonly [F in Field['form']]: (field: Field) => JsonSchema } = {
  int: () => ({ type: 'integer' }),
  float: () => ref('float'),
  bool: () => ({ type: 'boolean' }),
  string: () => text,
  ints: () => array({ type: 'integer' }),
  dims: () => ref('shape'),
  enum: ({ values = [] }) => ({ enum: values }),
  range: () => array(ref('float'), { minItems: 2, maxItems: 2 }),
  augmentation: () => ref('augmentation'),
};

const properties = (fields: Fields): JsonSchema => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, FORMS[field.form](field)]));
const optionalOf = (fields: Fields): string[] => Object.keys(fields).filter((name) => fields[name]?.optional);

/** One of several objects, told apart by the value of one property. */
const variants = (tag: string, cases: readonly JsonSchema[]): JsonSchema => ({ type: 'object', discriminator: { propertyName: tag }, required: [tag], oneOf: cases });

const variantsOf = (tag: string, table: Readonly<Record<string, Fields>>): JsonSchema =>
  variants(tag, Object.entries(table).map(([name, fields]) => object({ [tag]: { const: name }, ...properties(fields) }, optionalOf(fields))));

function nodeSchema(kind: OpKind): JsonSchema {
  const { attrs } = OPS[kind];
  const operands: readonly string[] = OPS[kind].operands;
  const variadic = operands.at(-1)?.startsWith('...') ?? false;
  const count = variadic ? { minItems: operands.length - 1 } : { minItems: operands.length, maxItems: operands.length };
  return object({
    id: ref('id'),
    kind: { const: kind },
    inputs: array(ref('id'), count),
    attrs: object(properties(attrs), optionalOf(attrs)),
    type: ref('type'),
    locs: array(ref('loc')),
    tags: ref('tags'),
  });
}

/** The schema (draft 2020-12) of what graphToJson gives. */
export function graphSchema(): JsonSchema {
  const id = ref('id');
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'graph.schema.json',
    title: 'A ZigZag graph',
    ...object(
      {
        format: { const: GRAPH_FORMAT.format },
        version: { const: GRAPH_FORMAT.version },
        name: text,
        mode: { enum: ['train', 'evaluate'] },
        nodes: array(ref('node')),
        regions: array(ref('region')),
        outputs: array(object({ name: text, value: id })),
        loss: id,
        classifier: object({ logits: id, correct: id }),
        routes: array(object({ target: id, mode: { enum: ['=', '+='] }, value: id })),
        gradients: array(object({ weight: id, value: id })),
        updates: array(object({ target: id, value: id })),
        views: array(object({ name: text, parts: array(object({ source: text, steps: array(ref('augmentation')) })) })),
        train: object({ ...properties(TRAIN_FIELDS), optimizer: ref('optimizer'), schedule: ref('schedule') }),
      },
      ['loss', 'classifier'],
    ),
    $defs: {
      id: { type: 'string', pattern: ID_PATTERN },
      float: { description: 'A number, or the name of one that JSON cannot write.', anyOf: [{ type: 'number' }, object({ float: { enum: Object.keys(SPECIAL_FLOATS) } })] },
      shape: array({ description: 'A length, or a multiple of the batch size.', anyOf: [natural(1), { type: 'string', pattern: '^([2-9]|[1-9][0-9]+)?B$' }] }),
      type: object({ dtype: { enum: ['f32', 'f16', 'i32'] }, shape: ref('shape') }),
      loc: object({ file: text, line: natural(1), column: natural(1), span: object({ start: natural(0), end: natural(0) }) }),
      tags: object(properties(TAG_FIELDS), Object.keys(TAG_FIELDS)),
      node: variants('kind', OP_KINDS.map(nodeSchema)),
      region: object({ name: text, params: array(object({ id, type: ref('type') })), nodes: array(ref('node')), result: id }),
      augmentation: variantsOf('op', AUGMENTATIONS),
      optimizer: variantsOf('kind', OPTIMIZERS),
      schedule: variantsOf('kind', SCHEDULES),
    },
  };
}
