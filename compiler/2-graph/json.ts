// The JSON form of a graph: its own structure, checked against the schema when it is read. Import it only where it is needed, for it loads ajv.

import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { MAX_NESTING } from './fields.ts';
import type { Graph } from './graph.ts';
import { GRAPH_FORMAT, graphSchema, SPECIAL_FLOATS } from './schema.ts';
import { verify } from './verify.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON value that is no graph, with the JSON pointer of what is wrong. */
export class GraphJsonError extends Error {
  readonly pointer: string;

  constructor(pointer: string, message: string) {
    super(`${pointer === '' ? 'the graph' : pointer} ${message}`);
    this.name = 'GraphJsonError';
    this.pointer = pointer;
  }
}

/** The graph as a JSON value, with nothing shared with the graph. */
export const graphToJson = (graph: Graph): Json => encode({ ...GRAPH_FORMAT, ...graph });

/**
 * The graph of a JSON value; `graphFromJson(JSON.parse(JSON.stringify(graphToJson(g))))` equals `g`.
 * Throws GraphJsonError where the value does not follow the schema, VerifyError where it does but is no sound graph.
 */
export function graphFromJson(value: unknown): Graph {
  if (deeperThan(MAX_DEPTH, value)) throw new GraphJsonError('', `is nested more than ${MAX_DEPTH} deep`);
  const validate = validator();
  if (!validate(value)) throw schemaError(validate.errors?.[0]);
  const { format: _format, version: _version, ...graph } = decode(value) as typeof GRAPH_FORMAT & Graph;
  verify(graph);
  return graph;
}

/** A graph's own structure takes 10 levels; the rest is for `sometimes` inside `sometimes`. */
const MAX_DEPTH = MAX_NESTING + 10;

function deeperThan(limit: number, value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= limit && level.length > 0; depth++) level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  return level.length > 0;
}

/** The compiled schema, made at the first use. */
const validator = ((): (() => ValidateFunction) => {
  let compiled: ValidateFunction | undefined;
  return () => (compiled ??= new Ajv2020({ discriminator: true }).compile(graphSchema()));
})();

function schemaError(error: ErrorObject | undefined): GraphJsonError {
  const { instancePath = '', message = 'does not follow the schema', params = {} } = error ?? {};
  const detail = params['additionalProperty'] ?? params['allowedValues'] ?? params['allowedValue'];
  return new GraphJsonError(instancePath, detail === undefined ? message : `${message}: ${[detail].flat().join(', ')}`);
}

function encode(value: unknown): Json {
  if (typeof value === 'number') return encodeNumber(value);
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value !== 'object' || value === null) return value as Json;
  return Object.fromEntries(Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, encode(item)]])));
}

/** `{ float: name }` for a number that JSON cannot write. */
function encodeNumber(value: number): Json {
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  const special = Object.entries(SPECIAL_FLOATS).find(([, number]) => Object.is(number, value));
  return special ? { float: special[0] } : value;
}

function decode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decode);
  if (typeof value !== 'object' || value === null) return value;
  if ('float' in value) return SPECIAL_FLOATS[value.float as string];
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item)]));
}
