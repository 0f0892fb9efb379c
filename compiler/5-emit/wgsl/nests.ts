// The dispatch of a group: one task alone, several side by side in branches by the number of the workgroup, or stages that a single workgroup does one after the other.

import type { WebGpuStep } from '../model.ts';
import { joined } from './congruent.ts';
import type { Form } from './form.ts';
import type { Helpers } from './functions.ts';
import { threadsForSmall } from './groups.ts';
import type { Group } from './groups.ts';
import { bindingsOf, groupNumber, stepOf, workgroupsOf } from './shader.ts';
import type { Emission } from './shader.ts';
import { indent } from './writer.ts';

export function nestsStep(group: Group, { buffer, places, device }: Emission): WebGpuStep {
  const all = group.flat();
  const bindings = bindingsOf({ reads: all.flatMap((form) => form.reads), writes: all.flatMap((form) => form.writes), wide: new Set(all.flatMap(({ wide }) => [...wide])), buffer, places });
  const helpers: Helpers = new Map();
  const shader = { bound: bindings.bound, helpers };
  const threads = group.length > 1 ? threadsForSmall(device.limits) : Math.max(...all.map((form) => form.threads));
  const { workgroups, body } = group.length > 1 ? staged(group, shader, threads) : sideBySide(joined(all, places), shader, threads, device);
  const shared = all.some(({ isTree }) => isTree) ? [{ name: 'partial', type: 'f32' as const, length: threads }] : [];
  return stepOf({ name: nameOf(all), bindings, workgroups, shared, helpers, threads, body });
}

type Shader = Parameters<Form['write']>[0];

function staged(group: Group, shader: Shader, threads: number): Pick<Parameters<typeof stepOf>[0], 'workgroups' | 'body'> {
  const stages = group.map((forms) => forms.flatMap((form) => [comment(form), ...form.write(shader, threads, 'single')]));
  return { workgroups: [1, 1, 1], body: stages.flatMap((lines, i) => (i === 0 ? lines : ['storageBarrier();', ...lines])) };
}

function sideBySide(forms: readonly Form[], shader: Shader, threads: number, { limits }: Emission['device']): ReturnType<typeof staged> {
  const blocks = forms.map((form) => form.blocks(threads));
  const workgroups = workgroupsOf(blocks.reduce((a, b) => a + b, 0), limits);
  const number = groupNumber('block', workgroups);
  const [first, ...more] = forms;
  if (!first || more.length === 0) return { workgroups, body: [number, ...(first?.write(shader, threads, 'alone') ?? [])] };
  const ends = blocks.map((_, i) => blocks.slice(0, i + 1).reduce((a, b) => a + b, 0));
  const body = forms.flatMap((form, i) => {
    const head = i === 0 ? `if block < ${ends[i]} {` : i < forms.length - 1 ? `} else if block < ${ends[i]} {` : '} else {';
    return [head, ...indent([comment(form), ...(i === 0 ? [] : [`let block = block - ${ends[i - 1]};`]), ...form.write(shader, threads, 'branch')])];
  });
  return { workgroups, body: [number, ...body, '}'] };
}

const comment = ({ tasks }: Form): string => `// ${tasks.map(({ name }) => name).join(', ')}`;

/** The first task's name, and those of the other kernels, if these are few. */
function nameOf(forms: readonly Form[]): string {
  const tasks = forms.flatMap((form) => form.tasks);
  const [, ...others] = new Set(tasks.map(({ kernel }) => kernel));
  const names = [tasks[0]?.name ?? '', ...others];
  return names.length <= 3 ? names.join(' + ') : `${names[0]} + ... + ${names.at(-1)} (${names.length} kernels)`;
}
