// matmul_out: 2 x 1 x 1, read a, read b, write out
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
@group(0) @binding(0) var<storage, read> b0: array<vec4f>;
@group(0) @binding(1) var<storage, read> b1: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> b2: array<vec4f>;

var<workgroup> tile_a: array<vec4<f16>, 384>;
var<workgroup> tile_b: array<vec4<f16>, 320>;
var<workgroup> tile_s: array<vec4f, 320>;

fn nan_vec4f(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

fn max_vec4f(a: vec4f, b: vec4f) -> vec4f {
  return select(select(max(a, b), b, nan_vec4f(b)), a, nan_vec4f(a));
}

fn finish(m: i32, q: i32, sum: vec4f) {
  if m >= 40 || q >= 5 { return; }
  b2[m * 5 + q] = max_vec4f(sum, vec4f(0.0f));
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32, @builtin(subgroup_id) subgroup: u32) {
  let t = i32(thread);
  let sg = i32(subgroup);
  let block = i32(group.x);
  let down = block;
  let p0 = t >> 2u;
  let m1 = min(down * 32 + p0, 39);
  let p3 = t & 3;
  let at4 = -p3 * 4;
  let at6 = m1 * 6 + p3;
  let at8 = p0 * 6 + p3;
  let p10 = t & 7;
  let n11 = min(p10, 4);
  let p13 = t >> 3u;
  let at14 = -p13;
  let at15 = p13 * 5 + n11;
  let at17 = p13 * 10 + p10;
  let p19 = sg >> 1u;
  let at20 = p19 * 96;
  let p23 = sg & 1;
  let at24 = p23 * 4;
  var s0_0 = subgroup_matrix_result<f32, 16, 16>();
  for (var slice = 0; slice <= 2; slice++) {
    let at5 = -slice * 16 + 23;
    let at7 = slice * 4;
    let at9 = slice * 192;
    let at16 = slice * 80;
    let at18 = slice * 160;
    let p21 = (slice + 1) & 1;
    let at22 = p21 * 192;
    let at25 = p21 * 160;
    var left2 = vec4f();
    var right12 = vec4f();
    if slice < 2 {
      if (at4 + at5 >= 0) {
        left2 = b0[at6 + at7];
      }
      if (at14 + at5 >= 0) {
        right12 = b1[at15 + at16];
      }
    }
    if slice > 0 {
      if sg < 4 {
        for (var kk = 0; kk < 1; kk++) {
          let l0 = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>, row_major>(&tile_a, at20 + at22, 6);
          let r0 = subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>, row_major>(&tile_b, at24 + at25, 10);
          s0_0 = subgroupMatrixMultiplyAccumulate(l0, r0, s0_0);
        }
      }
    }
    if slice < 2 {
      tile_a[at8 + at9] = vec4<f16>(left2);
      tile_b[at17 + at18] = vec4<f16>(right12);
    }
    workgroupBarrier();
  }
  let at26 = down * 32;
  if sg < 4 {
    subgroupMatrixStore<row_major>(&tile_s, sg * 80, s0_0, 5);
  }
  workgroupBarrier();
  for (var v = t; v < 256; v += 128) {
    let p27 = v >> 7u;
    let p28 = v >> 2u;
    let p29 = p28 & 15;
    let p30 = v >> 6u;
    let p31 = p30 & 1;
    let p32 = v & 3;
    let row = at26 + p27 * 16 + p29;
    let run = p31 * 4 + p32;
    let sums = tile_s[p28 * 5 + p32];
    finish(row, run, sums);
  }
}
