// Shaders with 16-bit numbers and matrices of subgroups for devices that have neither: f16 becomes f32 rounded to it where it was stored, and a subgroup one
// invocation, which has its matrices as arrays.

import type { Graph, Node } from '../../compiler/2-graph/graph.ts';
import { groupOf } from '../../compiler/2-graph/ops.ts';
import type { DeviceProfile, Program, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import { NEEDED } from '../../compiler/5-emit/wgsl/tiles.ts';

/** A device with 16-bit numbers. */
export const HALF_DEVICE: DeviceProfile = { ...EVERY_DEVICE, features: ['shader-f16'] };

/** One with matrices as NVIDIA's, too. */
export const MATRIX_DEVICE: DeviceProfile = { ...EVERY_DEVICE, features: NEEDED, subgroupSizes: [32, 32], matrices: [{ rows: 16, columns: 16, depth: 16, factors: 'f16', sums: 'f32' }] };

/** The graph with all that contractions multiply in f16. */
export function multiplyingHalves(graph: Graph): Graph {
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (groupOf(node.kind) !== 'contraction') return [node];
    const casts = node.inputs.map((input, i) => {
      const of = graph.nodes.find(({ id }) => id === input);
      if (!of) throw new Error(`no value %${input}`);
      return { ...of, id: `${node.id}.half${i}`, kind: 'cast', inputs: [input], attrs: { to: 'f16' }, type: { ...of.type, dtype: 'f16' } } as Node;
    });
    return [...casts, { ...node, inputs: casts.map(({ id }) => id) } as Node];
  });
  return { ...graph, nodes };
}

/** The program in f32 with invocations for subgroups. */
export const emulated = (program: Program<WebGpuStep>): Program<WebGpuStep> => ({
  ...program,
  buffers: program.buffers.map((buffer) => ({ ...buffer, dtype: buffer.dtype === 'f16' ? 'f32' : buffer.dtype })),
  steps: program.steps.map((step) => ({ ...step, shader: emulatedText(step.shader), needs: { ...step.needs, features: [] } })),
});

const LOAD = /subgroupMatrixLoad<subgroup_matrix_(left|right)<f16, (\d+), (\d+)>, (row|col)_major>\(&(\w+), /g;
/** To the nearest f16, of two equally near ones the even one. Its own digits, for WGSL leaves open which way quantizeToF16 rounds. */
const ROUNDED = `fn half1(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let normal = bitcast<f32>((bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u);
  return select(normal, round(x * 16777216.0) / 16777216.0, abs(x) < 0.00006103515625);
}
fn half4(x: vec4f) -> vec4f { return vec4f(half1(x.x), half1(x.y), half1(x.z), half1(x.w)); }
`;

function emulatedText(shader: string): string {
  const functions = new Map<string, string>();
  const named = (name: string, text: string): string => (functions.set(name, text), name);
  const sums = /subgroup_matrix_result<f32, (\d+), (\d+)>/.exec(shader);
  const [columns, rows, depth] = [Number(sums?.[1]), Number(sums?.[2]), Number(/subgroup_matrix_left<f16, (\d+)/.exec(shader)?.[1])];
  const text = shader
    .replaceAll(LOAD, (_, side: string, across: string, down: string, major: string, array: string) => {
      const place = major === 'row' ? 'r * 4 * stride + c' : 'c * 4 * stride + r';
      const type = `array<f32, ${Number(across) * Number(down)}>`;
      return `${named(`load_${side}_${major}`, `fn load_${side}_${major}(offset: i32, stride: i32) -> ${type} {
  var all = ${type}();
  for (var r = 0; r < ${down}; r++) { for (var c = 0; c < ${across}; c++) { let place = 4 * offset + ${place}; all[r * ${across} + c] = ${array}[place / 4][place % 4]; } }
  return all;
}
`)}(`;
    })
    .replaceAll('subgroupMatrixMultiplyAccumulate(', () => `${named('accumulate', `fn accumulate(l: array<f32, ${rows * depth}>, r: array<f32, ${depth * columns}>, s: array<f32, ${rows * columns}>) -> array<f32, ${rows * columns}> {
  var left = l; var right = r; var all = s;
  for (var m = 0; m < ${rows}; m++) { for (var n = 0; n < ${columns}; n++) { for (var k = 0; k < ${depth}; k++) { all[m * ${columns} + n] += left[m * ${depth} + k] * right[k * ${columns} + n]; } } }
  return all;
}
`)}(`)
    .replaceAll(/subgroupMatrixStore<row_major>\(&(\w+), /g, (_, array: string) => `${named('store_sums', `fn store_sums(offset: i32, s: array<f32, ${rows * columns}>, stride: i32) {
  var all = s;
  for (var r = 0; r < ${rows}; r++) { for (var c = 0; c < ${columns}; c++) { let place = 4 * (offset + r * stride) + c; ${array}[place / 4][place % 4] = all[r * ${columns} + c]; } }
}
`)}(`)
    .replaceAll(/subgroup_matrix_result<f32, \d+, \d+>/g, `array<f32, ${rows * columns}>`)
    .replace(', @builtin(subgroup_id) subgroup: u32', '')
    .replace('let sg = i32(subgroup);', 'let sg = t;')
    .replaceAll(/^enable .*\n/gm, '')
    .replaceAll('vec4<f16>()', 'vec4f()')
    .replaceAll(/vec4<f16>\(((?:[\w.]+|f16\([\w.]+\))(?:, (?:[\w.]+|f16\([\w.]+\))){3})\)/g, 'vec4f($1)')
    .replaceAll('vec4<f16>(', 'half4(')
    .replaceAll('vec4<f16>', 'vec4f')
    .replaceAll(/\bf16\(/g, 'half1(')
    .replaceAll(/\bf16\b/g, 'f32');
  return `${text}${ROUNDED}${[...functions.values()].join('')}`;
}
