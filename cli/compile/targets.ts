// What zz compile can make of a net: one row a target. The work of a row is loaded when it is asked for.

import type { CompileTarget } from './target.ts';

export type TargetName = 'ts' | 'js' | 'html' | 'onnx' | 'pytorch' | 'safetensors';

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
  onnx: {
    summary: 'an ONNX file of opset 17',
    extensions: ['.onnx'],
    load: async () => (await import('./onnx.ts')).compileOnnx,
  },
  pytorch: {
    summary: 'a PyTorch file that trains on one device or on many',
    extensions: ['.py'],
    load: async () => (await import('./pytorch.ts')).compilePyTorch,
  },
  safetensors: {
    summary: 'the weights alone',
    extensions: ['.safetensors'],
    load: async () => (await import('./tensors.ts')).compileTensors,
  },
};
