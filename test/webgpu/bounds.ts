// Shaders that tell where they reach outside their buffers or arrays: every index is checked, and confined, before it is used.

import type { Program, WebGpuStep } from '../../compiler/5-emit/model.ts';

/** The state in which checked programs count accesses out of bounds, one number a step; it is to be read from the session. */
export const OUTSIDE = 'outside';

/** The program with all its accesses checked; the steps of its feed are counted after its own. */
export function checkedProgram(program: Program<WebGpuStep>): Program<WebGpuStep> {
  const { steps, feed = [] } = program;
  const checked = [...steps, ...feed].map((step, i): WebGpuStep => ({
    ...step,
    shader: checkedShader(step.shader, step.bindings.length, i),
    bindings: [...step.bindings, { buffer: OUTSIDE, access: 'write' }],
  }));
  return {
    ...program,
    buffers: [...program.buffers, { id: OUTSIDE, dtype: 'i32', shape: [checked.length], role: { kind: 'state', value: 0 } }],
    steps: checked.slice(0, steps.length),
    ...(program.feed && { feed: checked.slice(steps.length) }),
  };
}

function checkedShader(shader: string, binding: number, step: number): string {
  const lengths = new Map([...shader.matchAll(/^var<workgroup> (\w+): array<\w+, (\d+)>;$/gm)].map(([, name = '', length = '']) => [name, `${length}u`]));
  for (const [, name = ''] of shader.matchAll(/^@group\(0\) .* (\w+): array<\w+>;$/gm)) lengths.set(name, `arrayLength(&${name})`);
  const directives = /^(enable .*;\n)*/.exec(shader)?.[0] ?? '';
  return `${directives}@group(0) @binding(${binding}) var<storage, read_write> ${OUTSIDE}: array<atomic<u32>>;
fn confined(i: i32, length: u32) -> u32 {
  if i < 0 || u32(i) >= length { atomicAdd(&${OUTSIDE}[${step}], 1u); }
  return min(u32(max(i, 0)), length - 1u);
}
${checkedText(shader.slice(directives.length), lengths)}`;
}

/** The text with the indices of these arrays checked; indices may hold others. */
function checkedText(text: string, lengths: ReadonlyMap<string, string>): string {
  const access = new RegExp(`\\b(${[...lengths.keys()].join('|')})\\[`);
  const found = access.exec(text);
  if (!found) return text;
  const start = found.index + found[0].length;
  const end = closing(text, start);
  const index = checkedText(text.slice(start, end), lengths);
  return `${text.slice(0, start)}confined(i32(${index}), ${lengths.get(found[1] ?? '') ?? ''})${checkedText(text.slice(end), lengths)}`;
}

/** Where the bracket closes that was opened before `from`. */
function closing(text: string, from: number): number {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '[') depth++;
    if (text[i] === ']' && --depth === 0) return i;
  }
  throw new Error('a bracket is not closed');
}
