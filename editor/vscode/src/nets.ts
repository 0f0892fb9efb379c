// Which net of the file a command is meant for.

import * as vscode from 'vscode';

/** The net that the cursor is in, the only one of the file, or the one that is chosen. Nothing where there is none, or the choice is left. */
export async function chooseNet(editor: vscode.TextEditor): Promise<string | undefined> {
  const found = await vscode.commands.executeCommand<vscode.DocumentSymbol[] | undefined>('vscode.executeDocumentSymbolProvider', editor.document.uri);
  const nets = (found ?? []).filter(({ kind }) => kind === vscode.SymbolKind.Class);
  if (nets.length === 0) {
    void vscode.window.showWarningMessage('This file has no net.');
    return undefined;
  }
  const around = nets.find(({ range }) => range.contains(editor.selection.active)) ?? (nets.length === 1 ? nets[0] : undefined);
  return around?.name ?? vscode.window.showQuickPick(nets.map(({ name }) => name), { title: 'Which net?' });
}
