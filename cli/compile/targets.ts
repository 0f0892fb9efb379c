// What zz compile can make of a net: one row a target. The work of a row is loaded when it is asked for.

import type { CompileTarget } from './target.ts';

export type TargetName = 'ts' | 'js' | 'html';

export const TARGETS: { readonly [T in TargetName]: CompileTarget } = {
  ts: {
    summary: 'a TypeScript module',
    extensions: ['.ts', '.mts'],
    load: async () => (await import('./typescript.ts')).compileTypeScript,
  },
  js: {
    summary: 'a JavaScript module and its declarations',
    extensions: ['.js', '.mjs'],
    load: async () => (await import('./typescript.ts')).compileJavaScript,
  },
  html: {
    summary: 'a page that classifies pictures',
    extensions: ['.html', '.htm'],
    load: async () => (await import('./page.ts')).compilePage,
  },
};
