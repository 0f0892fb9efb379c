// What a program's run is on the device: dispatches with their bind groups, which are made once, then the copies that put updates in their places.

import type { BufferId, Program, WebGpuStep } from '../../../compiler/5-emit/model.ts';
import { storage, type Place, type Places } from './allocate.ts';
import { bytesOf } from './memory.ts';
import { keyOf, type Pipelines } from './pipelines.ts';

export interface Dispatch {
  readonly step: WebGpuStep;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

export interface Copy {
  readonly from: Part;
  readonly to: Part;
  readonly bytes: number;
}

type Part = Pick<Place, 'buffer' | 'offset'>;

export interface Commands {
  readonly dispatches: readonly Dispatch[];
  /** After the last dispatch, in order. */
  readonly copies: readonly Copy[];
}

export const commandsOf = (gpu: GPUDevice, program: Program<WebGpuStep>, places: Places, pipelines: Pipelines): Commands => ({
  dispatches: dispatchesOf(gpu, program.steps, places, pipelines),
  copies: copiesOf(gpu, program, places),
});

export const dispatchesOf = (gpu: GPUDevice, steps: readonly WebGpuStep[], places: Places, pipelines: Pipelines): Dispatch[] =>
  steps.map((step) => dispatchOf(gpu, step, places, pipelines));

const placeOf = (places: Places, id: BufferId): Place => {
  const place = places.get(id);
  if (!place) throw new Error(`no buffer %${id}`);
  return place;
};

function dispatchOf(gpu: GPUDevice, step: WebGpuStep, places: Places, pipelines: Pipelines): Dispatch {
  const pipeline = pipelines.get(keyOf(step));
  if (!pipeline) throw new Error(`no pipeline for ${step.name}`);
  const entries = step.bindings.map((bound, binding) => {
    const { buffer, offset, spec } = placeOf(places, bound.buffer);
    return { binding, resource: { buffer, offset, size: bytesOf(spec) } };
  });
  return { step, pipeline, group: gpu.createBindGroup({ label: step.name, layout: pipeline.getBindGroupLayout(0), entries }) };
}

function copiesOf(gpu: GPUDevice, { updates }: Program<WebGpuStep>, places: Places): Copy[] {
  const at = (id: BufferId): { part: Part; bytes: number } => {
    const { buffer, offset, spec } = placeOf(places, id);
    return { part: { buffer, offset }, bytes: bytesOf(spec) };
  };
  // A leaf that another takes is put aside first: it may be updated itself.
  const targets = new Set(updates.map(({ target }) => target));
  const both = [...new Set(updates.map(({ value }) => value).filter((id) => targets.has(id)))];
  const aside = new Map(both.map((id): [BufferId, Part] => [id, { buffer: storage(gpu, `${id} before`, at(id).bytes), offset: 0 }]));
  return [
    ...[...aside].map(([id, to]) => ({ from: at(id).part, to, bytes: at(id).bytes })),
    ...updates.map(({ target, value }) => ({ from: aside.get(value) ?? at(value).part, to: at(target).part, bytes: at(target).bytes })),
  ];
}

/** Encodes a run, its dispatches in one pass. */
export function encode(encoder: GPUCommandEncoder, label: string, { dispatches, copies }: Commands): void {
  const pass = encoder.beginComputePass({ label });
  for (const each of dispatches) encodeDispatch(pass, each);
  pass.end();
  encodeCopies(encoder, copies);
}

export function encodeCopies(encoder: GPUCommandEncoder, copies: Commands['copies']): void {
  for (const { from, to, bytes } of copies) encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, bytes);
}

export function encodeDispatch(pass: GPUComputePassEncoder, { step, pipeline, group }: Dispatch): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...step.workgroups);
}
