// What backends ask of a program's buffers.

import type { BufferId, BufferSpec, Program, StepPart, WebGpuStep } from '../../compiler/5-emit/model.ts';

/** Whether it outlives a run: weights and states do. */
export const isKept = ({ role }: BufferSpec): boolean => role.kind === 'weight' || role.kind === 'state';

/** What a run may be asked for besides leaves, and what outlives the last step. */
export const resultsOf = ({ outputs, loss, logits, correct, updates }: Program<unknown>): ReadonlySet<BufferId> =>
  new Set([...outputs.map(({ buffer }) => buffer), ...[loss, logits, correct].filter((id) => id !== undefined), ...updates.map(({ value }) => value)]);

/** What a step of the WebGPU backend does. */
export const partsOf = ({ name, bindings, parts }: Pick<WebGpuStep, 'name' | 'bindings' | 'parts'>): readonly StepPart[] =>
  parts ?? [{ name, reads: bindings.map(({ buffer }) => buffer), writes: bindings.flatMap(({ buffer, access }) => (access === 'write' ? [buffer] : [])) }];
