// matmul_out_parts: 4 x 1 x 1, read a, read b, write out.parts
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read> b1: array<f32>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32>;

var<workgroup> tile_a: array<vec4f, 16>;
var<workgroup> tile_b: array<vec4f, 16>;

fn finish(part: i32, m: i32, n: i32, sum: f32) {
  if m >= 9 || n >= 5 { return; }
  b2[part * 45 + m * 5 + n] = sum;
}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let t = i32(thread);
  let block = i32(group.x);
  let down = block % 2;
  let part = block / 2;
  let begin = part * 1;
  let end = min(begin + 1, 2);
  let m0 = min(down * 8 + t, 8);
  let at3 = m0 * 7;
  let at5 = t * 2;
  let m6 = min(down * 8 + t + 4, 8);
  let at8 = m6 * 7;
  let at9 = t * 2 + 8;
  let n10 = min(t, 4);
  let at12 = n10 * 7;
  let n13 = min(t + 4, 4);
  let at15 = n13 * 7;
  let p16 = t >> 1u;
  let at17 = p16 * 8;
  let at18 = p16 * 8 + 2;
  let at19 = p16 * 8 + 4;
  let at20 = p16 * 8 + 6;
  let p21 = t & 1;
  let at22 = p21 * 8;
  let at23 = p21 * 8 + 2;
  let at24 = p21 * 8 + 4;
  let at25 = p21 * 8 + 6;
  var s0_0 = vec4f();
  var s1_0 = vec4f();
  var s2_0 = vec4f();
  var s3_0 = vec4f();
  for (var slice = begin; slice <= end; slice++) {
    let at2 = -slice * 4;
    let at4 = slice * 4;
    var left1 = vec4f();
    var left7 = vec4f();
    var right11 = vec4f();
    var right14 = vec4f();
    if slice < end {
      for (var lane = 0; lane < 4; lane++) {
        if (at2 - lane + 6 >= 0) {
          left1[lane] = b0[at3 + at4 + lane];
        }
      }
      for (var lane = 0; lane < 4; lane++) {
        if (at2 - lane + 6 >= 0) {
          left7[lane] = b0[at8 + at4 + lane];
        }
      }
      for (var lane = 0; lane < 4; lane++) {
        if (at2 - lane + 6 >= 0) {
          right11[lane] = b1[at12 + at4 + lane];
        }
      }
      for (var lane = 0; lane < 4; lane++) {
        if (at2 - lane + 6 >= 0) {
          right14[lane] = b1[at15 + at4 + lane];
        }
      }
    }
    if slice > begin {
      for (var kk = 0; kk < 1; kk++) {
        let l0 = tile_a[at17];
        let l1 = tile_a[at18];
        let l2 = tile_a[at19];
        let l3 = tile_a[at20];
        let r0 = tile_b[at22];
        let r1 = tile_b[at23];
        let r2 = tile_b[at24];
        let r3 = tile_b[at25];
        s0_0 += l0.x * vec4f(r0.x, r1.x, r2.x, r3.x);
        s1_0 += l1.x * vec4f(r0.x, r1.x, r2.x, r3.x);
        s2_0 += l2.x * vec4f(r0.x, r1.x, r2.x, r3.x);
        s3_0 += l3.x * vec4f(r0.x, r1.x, r2.x, r3.x);
        s0_0 += l0.y * vec4f(r0.y, r1.y, r2.y, r3.y);
        s1_0 += l1.y * vec4f(r0.y, r1.y, r2.y, r3.y);
        s2_0 += l2.y * vec4f(r0.y, r1.y, r2.y, r3.y);
        s3_0 += l3.y * vec4f(r0.y, r1.y, r2.y, r3.y);
        s0_0 += l0.z * vec4f(r0.z, r1.z, r2.z, r3.z);
        s1_0 += l1.z * vec4f(r0.z, r1.z, r2.z, r3.z);
        s2_0 += l2.z * vec4f(r0.z, r1.z, r2.z, r3.z);
        s3_0 += l3.z * vec4f(r0.z, r1.z, r2.z, r3.z);
        s0_0 += l0.w * vec4f(r0.w, r1.w, r2.w, r3.w);
        s1_0 += l1.w * vec4f(r0.w, r1.w, r2.w, r3.w);
        s2_0 += l2.w * vec4f(r0.w, r1.w, r2.w, r3.w);
        s3_0 += l3.w * vec4f(r0.w, r1.w, r2.w, r3.w);
      }
    }
    workgroupBarrier();
    if slice < end {
      tile_a[at5] = left1;
      tile_a[at9] = left7;
      tile_b[at5] = right11;
      tile_b[at9] = right14;
    }
    workgroupBarrier();
  }
  let row = down * 8 + p16 * 4;
  let run = p21;
  for (var lane = 0; lane < 4; lane++) { finish(part, row, run * 4 + lane, s0_0[lane]); }
  for (var lane = 0; lane < 4; lane++) { finish(part, row + 1, run * 4 + lane, s1_0[lane]); }
  for (var lane = 0; lane < 4; lane++) { finish(part, row + 2, run * 4 + lane, s2_0[lane]); }
  for (var lane = 0; lane < 4; lane++) { finish(part, row + 3, run * 4 + lane, s3_0[lane]); }
}

// matmul_out: 1 x 1 x 1, read out.parts, write out
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  let e = block * 64 + i32(thread);
  if e >= 45 { return; }
  var s0 = 0.0;
  for (var k1 = 0; k1 < 2; k1++) {
    s0 += b0[e + k1 * 45];
  }
  b1[e] = s0;
}
