// conv2d_out: 7 x 1 x 1, read x, read w, read b, write out
@group(0) @binding(0) var<storage, read> b0: array<vec4f>;
@group(0) @binding(1) var<storage, read> b1: array<vec4f>;
@group(0) @binding(2) var<storage, read> b2: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> b3: array<vec4f>;

var<workgroup> tile_a: array<vec4f, 32>;
var<workgroup> tile_b: array<vec4f, 16>;

fn nan_vec4f(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

fn max_vec4f(a: vec4f, b: vec4f) -> vec4f {
  return select(select(max(a, b), b, nan_vec4f(b)), a, nan_vec4f(a));
}

fn finish(m: i32, q: i32, sum: vec4f) {
  if m >= 50 { return; }
  b3[m * 2 + q] = max_vec4f((sum + b2[q]), vec4f(0.0f));
}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let t = i32(thread);
  let block = i32(group.x);
  let down = block;
  let m0 = min(down * 8 + t, 49);
  let p2 = i32(u32(m0) / 5u);
  let p3 = i32(u32(p2) % 5u);
  let p6 = i32(u32(m0) % 5u);
  let at10 = t * 2;
  let m13 = min(down * 8 + t + 4, 49);
  let p15 = i32(u32(m13) / 5u);
  let p16 = i32(u32(p15) % 5u);
  let p17 = i32(u32(m13) % 5u);
  let p19 = t & 1;
  let p21 = t >> 1u;
  let at22 = p21 * 2 + p19;
  let at28 = p21 * 8;
  var s0_0 = vec4f();
  var s1_0 = vec4f();
  var s2_0 = vec4f();
  var s3_0 = vec4f();
  for (var slice = 0; slice <= 9; slice++) {
    let p4 = i32(u32(slice) / 3u);
    let at5 = p4 - 1;
    let p7 = i32(u32(slice) % 3u);
    let at8 = p7 - 1;
    let at9 = p4 * 5 + p7 - 6;
    let p11 = slice & 1;
    let at12 = p11 * 16;
    let at18 = p11 * 16 + 8;
    let at23 = slice * 8;
    let at24 = p11 * 8;
    let at26 = slice * 8 + 4;
    let at27 = p11 * 8 + 4;
    let p29 = (slice + 1) & 1;
    let at30 = p29 * 16;
    let at31 = p29 * 16 + 2;
    let at32 = p29 * 16 + 4;
    let at33 = p29 * 16 + 6;
    let at34 = p29 * 8;
    let at35 = p29 * 8 + 2;
    let at36 = p29 * 8 + 4;
    let at37 = p29 * 8 + 6;
    var left1 = vec4f();
    var left14 = vec4f();
    var right20 = vec4f();
    var right25 = vec4f();
    if slice < 9 {
      if ((u32(p3 + at5) < 5u) & (u32(p6 + at8) < 5u)) {
        left1 = b0[m0 + at9];
      }
      if ((u32(p16 + at5) < 5u) & (u32(p17 + at8) < 5u)) {
        left14 = b0[m13 + at9];
      }
      right20 = b1[at22 + at23];
      right25 = b1[at22 + at26];
    }
    if slice > 0 {
      for (var kk = 0; kk < 1; kk++) {
        let l0 = tile_a[at28 + at30];
        let l1 = tile_a[at28 + at31];
        let l2 = tile_a[at28 + at32];
        let l3 = tile_a[at28 + at33];
        let r0_0 = tile_b[p19 + at34];
        let r1_0 = tile_b[p19 + at35];
        let r2_0 = tile_b[p19 + at36];
        let r3_0 = tile_b[p19 + at37];
        s0_0 += l0.x * r0_0;
        s1_0 += l1.x * r0_0;
        s2_0 += l2.x * r0_0;
        s3_0 += l3.x * r0_0;
        s0_0 += l0.y * r1_0;
        s1_0 += l1.y * r1_0;
        s2_0 += l2.y * r1_0;
        s3_0 += l3.y * r1_0;
        s0_0 += l0.z * r2_0;
        s1_0 += l1.z * r2_0;
        s2_0 += l2.z * r2_0;
        s3_0 += l3.z * r2_0;
        s0_0 += l0.w * r3_0;
        s1_0 += l1.w * r3_0;
        s2_0 += l2.w * r3_0;
        s3_0 += l3.w * r3_0;
      }
    }
    if slice < 9 {
      tile_a[at10 + at12] = left1;
      tile_a[at10 + at18] = left14;
      tile_b[t + at24] = right20;
      tile_b[t + at27] = right25;
    }
    workgroupBarrier();
  }
  let row = down * 8 + p21 * 4;
  let run = p19;
  finish(row, run, s0_0);
  finish(row + 1, run, s1_0);
  finish(row + 2, run, s2_0);
  finish(row + 3, run, s3_0);
}
