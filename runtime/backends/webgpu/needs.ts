// What a model's shaders ask of a device, all together.

import type { DeviceFeature, DeviceLimits, DeviceProfile, Model, WebGpuStep } from '../../../compiler/5-emit/model.ts';
import { stepsOf } from './memory.ts';

export interface Needs {
  readonly features: readonly DeviceFeature[];
  /** The limits that some devices raise. */
  readonly limits: Pick<DeviceLimits, 'storageBuffers' | 'workgroupsPerDimension' | 'workgroupInvocations' | 'workgroupBytes'>;
}

export function needsOf({ programs }: Model<WebGpuStep>): Needs {
  const steps = Object.values(programs).flatMap(stepsOf);
  const most = (of: (step: WebGpuStep) => number): number => steps.reduce((largest, step) => Math.max(largest, of(step)), 1);
  return {
    features: [...new Set(steps.flatMap(({ needs }) => needs.features))],
    limits: {
      storageBuffers: most(({ bindings }) => bindings.length),
      workgroupsPerDimension: most(({ workgroups }) => Math.max(...workgroups)),
      workgroupInvocations: most(({ needs }) => needs.workgroupInvocations),
      workgroupBytes: most(({ needs }) => needs.workgroupBytes),
    },
  };
}

const LIMITS: { readonly [L in keyof Needs['limits']]: string } = {
  storageBuffers: 'storage buffers in one shader',
  workgroupsPerDimension: 'workgroups side by side',
  workgroupInvocations: 'invocations in a workgroup',
  workgroupBytes: 'bytes of workgroup memory',
};

/** The first thing that the device lacks, or undefined. */
export function refusal({ features, limits }: Needs, device: DeviceProfile): string | undefined {
  const feature = features.find((each) => !device.features.includes(each));
  if (feature !== undefined) return `the feature ${feature}, which this adapter lacks`;
  const limit = (Object.keys(LIMITS) as (keyof typeof LIMITS)[]).find((each) => limits[each] > device.limits[each]);
  return limit && `${limits[limit].toLocaleString('en')} ${LIMITS[limit]}; this adapter has ${device.limits[limit].toLocaleString('en')}`;
}
