// matmul_out_parts: 4 x 1 x 1, read a, read b, write out.parts
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read> b1: array<f32>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32>;

var<workgroup> tile_a: array<vec4f, 8>;
var<workgroup> tile_b: array<vec4f, 8>;

fn left(g: i32, m: i32, k: i32) -> f32 {
  return b0[m * 7 + k];
}

fn right(g: i32, n: i32, k: i32) -> f32 {
  return b1[n * 7 + k];
}

fn finish(g: i32, part: i32, m: i32, n: i32, sum: f32) {
  if m >= 9 || n >= 5 { return; }
  b2[part * 45 + m * 5 + n] = sum;
}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  if block >= 4 { return; }
  let n0 = (block % 1) * 8;
  let m0 = (block / 1 % 2) * 8;
  let g = block / 2 % 1;
  let part = block / 2;
  let first = part * 4;
  let last = min(first + 4, 7);
  let row = thread / 2u;
  let column = thread % 2u;
  var s0_0 = vec4f();
  var s1_0 = vec4f();
  var s2_0 = vec4f();
  var s3_0 = vec4f();
  for (var k0 = first; k0 < last; k0 += 4) {
    for (var u = thread; u < 8u; u += 4u) {
      let d = u % 4u;
      let q = u / 4u;
      var v = vec4f();
      if k0 + i32(d) < last {
        for (var i = 0; i < 4; i++) { v[i] = left(g, min(m0 + i32(q) * 4 + i, 8), k0 + i32(d)); }
      }
      tile_a[(d) * 2u + q] = v;
    }
    for (var u = thread; u < 8u; u += 4u) {
      let d = u % 4u;
      let q = u / 4u;
      var v = vec4f();
      if k0 + i32(d) < last {
        for (var i = 0; i < 4; i++) { v[i] = right(g, min(n0 + i32(q) * 4 + i, 4), k0 + i32(d)); }
      }
      tile_b[(d) * 2u + q] = v;
    }
    workgroupBarrier();
    for (var kk = 0u; kk < 4u; kk++) {
      let a0 = tile_a[kk * 2u + 0u + row];
      let c0 = tile_b[kk * 2u + 0u + column];
      s0_0 += a0.x * c0;
      s1_0 += a0.y * c0;
      s2_0 += a0.z * c0;
      s3_0 += a0.w * c0;
    }
    workgroupBarrier();
  }
  var sums = array<vec4f, 4>(s0_0, s1_0, s2_0, s3_0);
  for (var i = 0; i < 4; i++) {
    let r = i / 1;
    let at_m = m0 + (r / 4 * 2 + i32(row)) * 4 + r % 4;
    let at_n = n0 + (i % 1 * 2 + i32(column)) * 4;
    for (var lane = 0; lane < 4; lane++) { finish(g, part, at_m, at_n + lane, sums[i][lane]); }
  }
}

// matmul_out: 1 x 1 x 1, read out.parts, write out
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  let e = (block * 64 + i32(thread));
  if e >= 45 { return; }
  var s0 = 0.0;
  for (var k1 = 0; k1 < 2; k1++) {
    s0 += b0[k1 * 45 + e];
  }
  let v2 = s0;
  b1[e] = v2;
}
