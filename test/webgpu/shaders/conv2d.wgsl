// conv2d_out: 7 x 1 x 1, read x, read w, read b, write out
@group(0) @binding(0) var<storage, read> b0: array<vec4f>;
@group(0) @binding(1) var<storage, read> b1: array<vec4f>;
@group(0) @binding(2) var<storage, read> b2: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> b3: array<vec4f>;

var<workgroup> tile_a: array<vec4f, 8>;
var<workgroup> tile_b: array<vec4f, 8>;

fn left(g: i32, m: i32, k: i32) -> vec4f {
  let p1 = i32(u32(m) / 5u);
  let p0 = i32(u32(p1) % 5u);
  let p2 = i32(u32(k) / 12u);
  let p4 = (k) >> 2u;
  let p3 = i32(u32(p4) % 3u);
  let p5 = i32(u32(m) % 5u);
  let p6 = (k) & 3;
  var v7 = vec4f(0.0f);
  if (((p0 + p2 - 1 >= 0) && (-p0 - p2 + 5 >= 0)) && ((p3 + p5 - 1 >= 0) && (-p3 - p5 + 5 >= 0))) {
    v7 = b0[(p2 * 20 + p3 * 4 + m * 4 + p6 - 24) >> 2u];
  }
  return v7;
}

fn right(g: i32, n: i32, k: i32) -> vec4f {
  return b1[(k * 8 + n) >> 2u];
}

fn finish(g: i32, part: i32, m: i32, n: i32, sum: vec4f) {
  if m >= 50 || n >= 8 { return; }
  b3[(m * 8 + n) >> 2u] = max((sum + b2[(n) >> 2u]), vec4f(0.0f));
}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  if block >= 7 { return; }
  let n0 = (block % 1) * 8;
  let m0 = (block / 1 % 7) * 8;
  let g = block / 7 % 1;
  let part = block / 7;
  let first = part * 36;
  let last = min(first + 36, 36);
  let row = thread / 2u;
  let column = thread % 2u;
  var s0_0 = vec4f();
  var s1_0 = vec4f();
  var s2_0 = vec4f();
  var s3_0 = vec4f();
  for (var k0 = first; k0 < last; k0 += 4) {
    for (var u = thread; u < 2u; u += 4u) {
      let d = (u % 1u) * 4u;
      let q = u / 1u;
      var v = mat4x4f();
      if k0 + i32(d) < last {
        for (var i = 0; i < 4; i++) { v[i] = left(g, min(m0 + i32(q) * 4 + i, 49), k0 + i32(d)); }
        v = transpose(v);
      }
      tile_a[(d + 0u) * 2u + q] = v[0];
      tile_a[(d + 1u) * 2u + q] = v[1];
      tile_a[(d + 2u) * 2u + q] = v[2];
      tile_a[(d + 3u) * 2u + q] = v[3];
    }
    for (var u = thread; u < 8u; u += 4u) {
      let q = u % 2u;
      let d = u / 2u;
      let at = min(n0 + i32(q) * 4, 4);
      var v = vec4f();
      if k0 + i32(d) < last { v = right(g, at, k0 + i32(d)); }
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
    finish(g, part, at_m, at_n, sums[i]);
  }
}
