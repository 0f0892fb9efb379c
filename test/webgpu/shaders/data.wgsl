// data_selection: 1 x 1 x 1, read data.clock, read data.labels, write data.indices, write data.keys, write labels, write step
@group(0) @binding(0) var<storage, read> clock: Clock;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read_write> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> leaf0: array<i32>;
@group(0) @binding(5) var<storage, read_write> scalar0: array<f32>;

struct Clock {
  order: u32,
  start: u32,
  count: u32,
  views: u32,
  seed: u32,
  step: u32,
  steps_per_epoch: u32,
  total_steps: u32,
}

fn mix(word: u32) -> u32 {
  var x = word;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

fn absorb(state: u32, word: u32) -> u32 {
  return mix(state ^ mix(word)) + 0x9e3779b9u;
}

fn shuffled(place: u32) -> u32 {
  let half = max(1u, (33u - countLeadingZeros(clock.count - 1u)) / 2u);
  let mask = (1u << half) - 1u;
  var at = place;
  loop {
    var left = at >> half;
    var right = at & mask;
    for (var round = 0u; round < 6u; round++) {
      let next = left ^ (mix(absorb(absorb(absorb(0x9e3779b9u, clock.order), round), right)) & mask);
      left = right;
      right = next;
    }
    at = (left << half) | right;
    if at < clock.count { return at; }
  }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  let i = block * 64 + i32(thread);
  if i >= 5 { return; }
  let image = shuffled((clock.start + u32(i)) % clock.count);
  indices[i] = image;
  keys[i] = mix(absorb(absorb(absorb(absorb(absorb(0x9e3779b9u, clock.views), clock.step), u32(i)), mix(absorb(absorb(absorb(absorb(0x9e3779b9u, 98u), 111u), 116u), 104u))), 1u));
  for (var k = i; i < 5 && k < 10; k += 5) { leaf0[k] = labels[image]; }
  if i == 0 { scalar0[0] = f32(clock.step); }
}

// data_both: 3 x 1 x 1, read data.images, read data.indices, read data.keys, write both, write data.moments
@group(0) @binding(0) var<storage, read> images: array<u32>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> readings: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> moments: array<vec4f>;

fn mix(word: u32) -> u32 {
  var x = word;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

fn absorb(state: u32, word: u32) -> u32 {
  return mix(state ^ mix(word)) + 0x9e3779b9u;
}

fn unit(bits: u32) -> f32 {
  return f32(bits >> 8u) * 5.960464477539063e-8;
}

fn byte(at: u32) -> f32 {
  return f32(extractBits(images[at / 4u], at % 4u * 8u, 8u)) * 0.00392156862745098;
}

struct Drawn1 {
  row: i32,
  image: u32,
  key: u32,
  flip0: bool,
  some1: bool,
  sigma2: f32,
}

fn draw1(row: i32, image: u32, key: u32) -> Drawn1 {
  var d: Drawn1;
  d.row = row;
  d.image = image;
  d.key = key;
  d.flip0 = (mix(absorb(absorb(absorb(0x9e3779b9u, d.key), 0u), 0u)) >> 8u) < 8388608u;
  d.some1 = (mix(absorb(absorb(absorb(0x9e3779b9u, d.key), 1u), 0u)) >> 8u) < 1677722u;
  d.sigma2 = 0.0f + 0.5f * unit(mix(absorb(absorb(absorb(0x9e3779b9u, d.key), 2u), 0u)));
  return d;
}

fn layer1_0(d: Drawn1, y: i32, x: i32, c: i32) -> f32 {
  return byte(d.image * 192u + u32((y * 8 + x) * 3 + c));
}

fn layer1_1(d: Drawn1, y: i32, x: i32, c: i32) -> f32 {
  if !(d.flip0) { return layer1_0(d, y, x, c); }
  return layer1_0(d, y, 7 - x, c);
}

fn layer1_2(d: Drawn1, y: i32, x: i32, c: i32) -> f32 {
  if !(d.some1 && d.sigma2 >= 0.01f) { return layer1_1(d, y, x, c); }
  let centre = layer1_1(d, y, x, c);
  var sum = 0.0;
  var total = 0.0;
  for (var k = -2; k <= 2; k++) {
    let weight = exp(f32(k * k) * (-0.5 / (d.sigma2 * d.sigma2)));
    total += weight;
    sum += weight * (layer1_1(d, y, clamp(x + k, 0, 7), c) - centre);
  }
  return centre + sum / total;
}

fn layer1_3(d: Drawn1, y: i32, x: i32, c: i32) -> f32 {
  if !(d.some1 && d.sigma2 >= 0.01f) { return layer1_2(d, y, x, c); }
  let centre = layer1_2(d, y, x, c);
  var sum = 0.0;
  var total = 0.0;
  for (var k = -2; k <= 2; k++) {
    let weight = exp(f32(k * k) * (-0.5 / (d.sigma2 * d.sigma2)));
    total += weight;
    sum += weight * (layer1_2(d, clamp(y + k, 0, 7), x, c) - centre);
  }
  return centre + sum / total;
}

fn at1(d: Drawn1, e: i32) -> f32 {
  return layer1_3(d, e / 24, (e / 3) % 8, e % 3);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  let place = block * 64 + i32(thread);
  if place >= 192 { return; }
  let column = place % 48;
  let chunk = place / 48;
  var count = 0.0;
  var mean = vec4f();
  var squares = vec4f();
  for (var r = chunk * 3; r < min((chunk + 1) * 3, 10); r++) {
    let image = indices[r % 5];
    var value: vec4f;
    if r < 5 {
      value = unpack4x8unorm(images[image * 48u + u32(column)]);
    } else {
      let drawn = draw1(r, image, keys[r % 5]);
      for (var lane = 0; lane < 4; lane++) { value[lane] = at1(drawn, column * 4 + lane); }
    }
    readings[r * 48 + column] = value;
    count += 1.0;
    let away = value - mean;
    mean += away * (1.0 / count);
    squares += away * (value - mean);
  }
  moments[chunk * 96 + column] = mean;
  moments[chunk * 96 + column + 48] = squares;
}

// data_both_normalized: 3 x 1 x 1, read data.moments, write both
@group(0) @binding(0) var<storage, read> moments: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> readings: array<vec4f>;

fn counted(chunk: i32) -> f32 {
  return f32(min(3, 10 - chunk * 3));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  let place = block * 64 + i32(thread);
  if place >= 192 { return; }
  let column = place % 48;
  let chunk = place / 48;
  var mean = vec4f();
  for (var i = 0; i < 4; i++) { mean += counted(i) * moments[i * 96 + column]; }
  mean *= 0.1;
  var squares = vec4f();
  for (var i = 0; i < 4; i++) {
    let away = moments[i * 96 + column] - mean;
    squares += moments[i * 96 + 48 + column] + counted(i) * away * away;
  }
  let deviation = sqrt(squares * 0.1);
  let scale = select(1.0 / deviation, vec4f(1.0), deviation < vec4f(1e-6f));
  for (var r = chunk * 3; r < min((chunk + 1) * 3, 10); r++) {
    readings[r * 48 + column] = (readings[r * 48 + column] - mean) * scale;
  }
}

// data_random_drop: 1 x 1 x 1, read data.clock, write drop
@group(0) @binding(0) var<storage, read> clock: Clock;
@group(0) @binding(1) var<storage, read_write> leaf: array<vec4f>;

struct Clock {
  order: u32,
  start: u32,
  count: u32,
  views: u32,
  seed: u32,
  step: u32,
  steps_per_epoch: u32,
  total_steps: u32,
}

fn mix(word: u32) -> u32 {
  var x = word;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

fn absorb(state: u32, word: u32) -> u32 {
  return mix(state ^ mix(word)) + 0x9e3779b9u;
}

fn unit(bits: u32) -> f32 {
  return f32(bits >> 8u) * 5.960464477539063e-8;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let block = i32(group.x);
  let run = block * 64 + i32(thread);
  if run >= 18 { return; }
  let key = absorb(absorb(absorb(0x9e3779b9u, clock.seed), 3u), clock.step);
  let e = u32(run) * 4u;
  leaf[run] = vec4f(unit(mix(absorb(key, e + 0u))), unit(mix(absorb(key, e + 1u))), unit(mix(absorb(key, e + 2u))), unit(mix(absorb(key, e + 3u))));
}
