// The drawing of a net's graph beside its source, made anew when the source is saved.

import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { run } from './run.ts';
import type { Tool } from './tool.ts';

/** Opens the drawing, or brings it to the front. */
export type DrawGraph = (file: string, net: string) => Promise<void>;

export function graphDrawer(tool: () => Tool): { readonly draw: DrawGraph; readonly disposable: vscode.Disposable } {
  const panels = new Map<string, { readonly panel: vscode.WebviewPanel; readonly file: string; readonly net: string }>();
  const fill = async ({ panel, file, net }: { readonly panel: vscode.WebviewPanel; readonly file: string; readonly net: string }): Promise<void> => {
    panel.webview.html = await run(tool(), ['ir', `${file}:${net}`, '--stage', 'graph', '--format', 'html'], dirname(file));
  };
  const saved = vscode.workspace.onDidSaveTextDocument(({ uri }) => {
    // What cannot be drawn for now is told by the diagnostics; the last drawing stays.
    for (const each of panels.values()) if (each.file === uri.fsPath) void fill(each).catch(() => undefined);
  });
  const draw: DrawGraph = async (file, net) => {
    const key = `${file}:${net}`;
    const known = panels.get(key);
    const panel = known?.panel ?? vscode.window.createWebviewPanel('zigzag.graph', net, { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true }, { enableScripts: true, localResourceRoots: [] });
    if (known) panel.reveal(undefined, true);
    else {
      panels.set(key, { panel, file, net });
      panel.onDidDispose(() => panels.delete(key));
    }
    try {
      await fill({ panel, file, net });
    } catch (error) {
      if (!known) panel.dispose();
      throw error;
    }
  };
  return { draw, disposable: saved };
}
