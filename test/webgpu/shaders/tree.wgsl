// reduce_mean_out: 6 x 1 x 1, read x, write out
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32>;

var<workgroup> partial: array<f32, 128>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  let y = i32(thread);
  let e = min(block, 5);
  let at2 = e * 200;
  var s0 = 0.0;
  for (var k1 = y; k1 < 200; k1 += 128) {
    s0 += b0[at2 + k1];
  }
  partial[thread] = s0;
  workgroupBarrier();
  for (var h4 = 64; h4 > 0; h4 = h4 / 2) {
    if y < h4 { partial[thread] = partial[thread] + partial[thread + u32(h4) * 1u]; }
    workgroupBarrier();
  }
  let t3 = partial[0];
  workgroupBarrier();
  let v5 = (t3 / 200.0f);
  if y == 0 && block < 6 {
    b1[e] = v5;
  }
}
