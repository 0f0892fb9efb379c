// The stages of a compilation by name, for what must not load the compiler to know them: help, completion, editors. A test holds them to the stages themselves.

/** In their order. */
export const STAGE_NAMES: readonly string[] = [
  'tokens', 'ast', 'graph', 'unroll', 'autodiff', 'optimizer', 'loss-scale', 'simplify', 'bind', 'hoist', 'twin-fuse', 'fuse', 'precision', 'schedule', 'memory', 'kernels', 'model', 'wgsl',
];
