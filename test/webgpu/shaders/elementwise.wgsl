// mul_out: 1 x 1 x 1, read x, read y, write out
@group(0) @binding(0) var<storage, read> b0: array<vec4f>;
@group(0) @binding(1) var<storage, read> b1: array<f32>;
@group(0) @binding(2) var<storage, read_write> b2: array<vec4f>;

fn expm1_vec4f(x: vec4f) -> vec4f {
  let series = x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x * (1.0 / 720.0 + x / 5040.0))))));
  return select(exp(x) - 1.0, series, abs(x) < vec4f(0.4));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  let q = block * 64 + i32(thread);
  if q >= 6 { return; }
  let v0 = b0[q];
  b2[q] = (select(expm1_vec4f(v0), v0, (vec4f(0.0f) < v0)) * b1[0]);
}
