// A stage of the compilation beside the source, as a document that is made anew when the source is saved.

import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { STAGE_NAMES } from '../../../cli/stage-names.ts';
import { run } from './run.ts';
import type { Tool } from './tool.ts';

const SCHEME = 'zigzag-stage';

interface Shown {
  /** `FILE:NetName`. */
  readonly target: string;
  readonly file: string;
  readonly stage: string;
}

const read = (uri: vscode.Uri): Shown => JSON.parse(uri.query) as Shown;

const uriOf = (shown: Shown, net: string): vscode.Uri => vscode.Uri.from({ scheme: SCHEME, path: `/${basename(shown.file, '.zz')} ${net} ${shown.stage}.txt`, query: JSON.stringify(shown) });

/** Gives the documents of stages their texts. */
export function provideStages(tool: () => Tool): vscode.Disposable {
  const changed = new vscode.EventEmitter<vscode.Uri>();
  const provider: vscode.TextDocumentContentProvider = {
    onDidChange: changed.event,
    async provideTextDocumentContent(uri) {
      const { target, file, stage } = read(uri);
      try {
        return await run(tool(), ['ir', target, '--stage', stage], dirname(file));
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
  };
  const saved = vscode.workspace.onDidSaveTextDocument((document) => {
    for (const { uri } of vscode.workspace.textDocuments) if (uri.scheme === SCHEME && read(uri).file === document.uri.fsPath) changed.fire(uri);
  });
  return vscode.Disposable.from(changed, saved, vscode.workspace.registerTextDocumentContentProvider(SCHEME, provider));
}

/** Asks for a stage and shows it beside the source. */
export async function showStage(file: string, net: string): Promise<void> {
  const stage = await vscode.window.showQuickPick([...STAGE_NAMES], { title: `A stage of ${net}`, placeHolder: 'graph, or a pass after it' });
  if (stage === undefined) return;
  const document = await vscode.workspace.openTextDocument(uriOf({ target: `${file}:${net}`, file, stage }, net));
  await vscode.window.showTextDocument(document, { viewColumn: vscode.ViewColumn.Beside, preview: false, preserveFocus: true });
}
