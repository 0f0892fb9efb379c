// Data flows one way: a folder imports only from itself and from folders above it in this list.
const layers = ['compiler/1-syntax', 'compiler/2-graph', 'compiler/3-passes', 'compiler/4-kernels', 'compiler/5-emit', 'compiler/check.ts', 'compiler/compile.ts', 'compiler/emitters.ts', 'compiler/inspect', 'runtime', 'editor', 'playground', 'cli'];

const upward = layers.slice(0, -1).map((layer, i) => ({
  name: `${layer.replace(/\W+/g, '-')}-imports-downwards`,
  comment: `${layer} may not import from the folders below it`,
  severity: 'error',
  from: { path: `^${layer}` },
  to: { path: layers.slice(i + 1).map((below) => `^${below}`) },
}));

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...upward,
    {
      name: 'runtime-sees-only-the-model',
      comment: 'the runtime runs compiled models: of the compiler it knows their types and the diagnostics',
      severity: 'error',
      from: { path: '^runtime' },
      to: { path: '^compiler', pathNot: ['^compiler/5-emit/(model|artefact).ts$', '^compiler/diagnostics.ts$'] },
    },
    {
      name: 'the-language-service-sees-only-the-compiler',
      comment: 'editors in browsers use it too',
      severity: 'error',
      from: { path: '^editor/service' },
      to: { pathNot: ['^editor/service', '^compiler'] },
    },
    {
      name: 'the-compiler-runs-in-browsers',
      severity: 'error',
      from: { path: '^compiler' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'browsers-see-nothing-of-node',
      comment: 'what compiled models import in a browser works there',
      severity: 'error',
      from: { path: ['\\.browser\\.ts$', '^playground/(main|.*/worker)\\.ts$'] },
      to: { path: '^(node:|(fs|os|path|url|crypto|module|worker_threads|child_process|v8)(/|$))', reachable: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
