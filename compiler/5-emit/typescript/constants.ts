// An artefact as readable constants: each kernel's source once, then each program's buffers and steps, then the whole.

import type { Artefact, ProgramName, StoredProgram } from '../artefact.ts';
import { literal, raw, template, type Raw } from './literal.ts';

export interface Constant {
  readonly name: string;
  /** Of the runtime. */
  readonly type?: string;
  readonly value: string;
  /** What stands above it. */
  readonly comment: string;
}

export interface Listings {
  readonly [name: string]: string | undefined;
}

const STEP_TYPES: Readonly<Record<string, string>> = { webgpu: 'WebGpuStep', wasm: 'WasmStep', gpujs: 'GpuJsStep' };
const SIZES: { readonly [P in ProgramName]: string } = { train: 'a training step', predict: 'predictions and scores of many images', one: 'a single image' };
/** The texts among a step's fields, each a kernel's source. */
const SOURCES = ['shader', 'source', 'flatSource'] as const;

/** The constants in an order in which each uses only those above it. The last one is `ARTEFACT`. */
export function constantsOf({ backends, ...artefact }: Artefact, listings: Listings): Constant[] {
  const constants: Constant[] = [];
  const names = createNames();
  const stored = Object.entries(backends).map(([backend, { digest, programs }]) => {
    const kernels = createKernels(names, (kernel) => constants.push(kernel));
    const named = Object.entries(programs as unknown as Readonly<Record<string, StoredProgram<Step>>>).map(([program, { steps, ...rest }]) => {
      const name = names(`${backend}_${program}`);
      const replaced = steps.map((step) => withSources(step, kernels));
      const listing = backend === 'wasm' ? listings[program] : undefined;
      constants.push({
        name,
        type: `StoredProgram<${STEP_TYPES[backend] ?? 'unknown'}>`,
        value: literal(inOrder({ ...rest, steps: replaced }, programs, program)),
        comment: `The program for ${SIZES[program as ProgramName]} on ${backend}: ${rest.buffers.length} buffers, ${steps.length} steps.${listing === undefined ? '' : ` Its kernels, by what they write:\n\n${listing}`}`,
      });
      return [program, raw(name)] as const;
    });
    return [backend, { digest, programs: Object.fromEntries(named) }] as const;
  });
  constants.push({ name: 'ARTEFACT', type: 'Artefact', value: literal({ ...artefact, backends: Object.fromEntries(stored) }), comment: 'All of the model but its weights.' });
  return constants;
}

/** The fields in the order in which the program has them: the digest is over its JSON. */
function inOrder(fields: Readonly<Record<string, unknown>>, programs: object, name: string): Record<string, unknown> {
  const program = (programs as Readonly<Record<string, object>>)[name] ?? {};
  return Object.fromEntries(Object.keys(program).map((key) => [key, fields[key]]));
}

type Step = Readonly<Record<string, unknown>>;

function withSources(step: Step, kernels: (source: string, hint: string) => Raw): Step {
  const sources = SOURCES.flatMap((field) => {
    const source = step[field];
    return typeof source === 'string' ? [[field, kernels(source, String(step['name'] ?? /\bfunction\s*(\w+)/.exec(source)?.[1] ?? 'kernel'))] as const] : [];
  });
  return { ...step, ...Object.fromEntries(sources) };
}

/** A constant for each different source. */
function createKernels(names: (hint: string) => string, add: (kernel: Constant) => void): (source: string, hint: string) => Raw {
  const known = new Map<string, string>();
  return (source, hint) => {
    const found = known.get(source);
    if (found !== undefined) return raw(found);
    const name = names(`kernel_${hint}`);
    known.set(source, name);
    add({ name, value: template(source), comment: '' });
    return raw(name);
  };
}

/** Identifiers near the hints, each once. */
function createNames(): (hint: string) => string {
  const taken = new Set<string>();
  return (hint) => {
    const base = hint.replaceAll(/\W+/g, '_').replace(/_+$/, '');
    let name = base;
    for (let n = 2; taken.has(name); n++) name = `${base}_${n}`;
    taken.add(name);
    return name;
  };
}
