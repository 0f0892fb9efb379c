// reduce_mean_out: 6 x 1 x 1, read x, write out
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32>;

var<workgroup> partial: array<f32, 128>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  let y = i32(thread);
  let e = min(block, 5);
  var s0 = 0.0;
  for (var k1 = y; k1 < 200; k1 += 128) {
    s0 += b0[e * 200 + k1];
  }
  partial[thread] = s0;
  workgroupBarrier();
  for (var h3 = 64; h3 > 0; h3 = h3 / 2) {
    if y < h3 { partial[thread] = partial[thread] + partial[thread + u32(h3) * 1u]; }
    workgroupBarrier();
  }
  let t2 = partial[0];
  workgroupBarrier();
  let v4 = (t2 / 200.0f);
  let v5 = v4;
  if y == 0 && block < 6 {
    b1[e] = v5;
  }
}
