// The tables of the references, from the tables that the compiler itself reads.

import { Command } from 'commander';
import { addTrainingFlags } from '../../cli/settings.ts';
import { DEFAULT_SETTINGS, OPTIMIZERS, SCHEDULES, SETTINGS } from '../../compiler/2-graph/build.ts';
import type { Callables, Params } from '../../compiler/2-graph/build/arguments.ts';
import { VIEW_OPERATIONS } from '../../compiler/2-graph/build/view-operations.ts';
import { TAG_FIELDS } from '../../compiler/2-graph/fields.ts';
import { describeParams, FUNCTIONS } from '../../compiler/2-graph/functions.ts';
import type { FunctionGroup, FunctionSpec } from '../../compiler/2-graph/functions.ts';
import { OPS } from '../../compiler/2-graph/ops.ts';
import type { AttrSpec, OpSpec } from '../../compiler/2-graph/ops.ts';
import { PASSES } from '../../compiler/3-passes/pipeline.ts';
import { code, table } from './markdown.ts';

/** `k: a whole number from 1 = 3`, one parameter a line. */
const parameters = (params: Params): string =>
  describeParams({ params } as FunctionSpec)
    .map(({ name, takes, fallback, rest }) => `${code(rest ? `...${name}` : name)} ${takes}${fallback === undefined ? '' : `, ${code(fallback)}`}`)
    .join('<br>');

const GROUPS: { readonly [G in FunctionGroup]: string } = {
  layers: 'Layers',
  pooling: 'Pooling and upsampling',
  shape: 'Shapes',
  constant: 'Constants',
  activation: 'Activations',
  arithmetic: 'Arithmetic',
  reduction: 'Reductions',
  normalisation: 'Normalisation and dropout',
  loss: 'Losses',
};

export function functionTables(): string {
  const all = Object.entries(FUNCTIONS) as [string, FunctionSpec][];
  return Object.entries(GROUPS)
    .map(([group, title]) => {
      const rows = all.filter(([, spec]) => spec.group === group).map(([name, spec]) => [code(name), parameters(spec.params), spec.summary]);
      return `**${title}**\n\n${table(['function', 'arguments', 'what it gives'], rows)}`;
    })
    .join('\n\n');
}

export const viewTable = (): string =>
  table(['operation', 'arguments', 'what it does'], Object.entries(VIEW_OPERATIONS).map(([name, { params, summary }]) => [code(name), parameters(params), summary]));

const written = (value: unknown): string => (typeof value === 'object' && value !== null && 'kind' in value ? String(value.kind) : String(value));

export function settingTable(): string {
  const flags = addTrainingFlags(new Command()).options.map((option) => option.long ?? '');
  const rows = Object.entries(SETTINGS).map(([key, { takes, summary, field }]) => {
    const flag = key === 'dataset' ? '--data' : `--${key.replace('_', '-')}`;
    if (!flags.includes(flag)) throw new Error(`the setting ${key} has no flag ${flag}`);
    return [code(key), takes, code(written(DEFAULT_SETTINGS[field])), code(flag), summary];
  });
  return table(['key', 'value', 'default', 'flag', 'what it is'], rows);
}

const choices = (noun: string, all: Callables): string =>
  table([noun, 'arguments', 'what it does'], Object.entries(all).map(([name, { params, summary }]) => [code(name), parameters(params), summary]));

export const optimizerTable = (): string => `${choices('optimizer', OPTIMIZERS)}\n\n${choices('schedule', SCHEDULES)}`;

const attribute = ([name, spec]: readonly [string, AttrSpec<unknown>]): string => `${name}: ${spec.values?.join(' / ') ?? spec.form}`;

export function opTables(): string {
  const all = Object.entries(OPS) as [string, OpSpec][];
  const groups = [...new Set(all.map(([, spec]) => spec.group))];
  return groups
    .map((group) => {
      const rows = all
        .filter(([, spec]) => spec.group === group)
        .map(([kind, { operands, attrs, summary }]) => [code(kind), operands.map(code).join(', '), Object.entries(attrs).map(attribute).map(code).join(', '), summary]);
      return `**${group.charAt(0).toUpperCase()}${group.slice(1)}**\n\n${table(['operation', 'operands', 'attributes', 'value'], rows)}`;
    })
    .join('\n\n');
}

export const passTable = (): string => table(['', 'pass', 'what it does'], PASSES.map(({ name, summary }, i) => [String(i + 1), code(name), summary]));

export const tagTable = (): string => table(['tag', 'form'], Object.entries(TAG_FIELDS).map(([name, { form, values }]) => [code(name), values?.join(' / ') ?? form]));
