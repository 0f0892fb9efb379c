// The extension: starts the language server and registers the commands.

import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import { LanguageClient, TransportKind } from 'vscode-languageclient/node';
import { graphDrawer } from './graph.ts';
import { chooseNet } from './nets.ts';
import { provideStages, showStage } from './stages.ts';
import { findTool, type Tool } from './tool.ts';

let client: LanguageClient | undefined;

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** The tool as the settings and the workspace stand now. Throws Error where the setting names none. */
const toolFor = (context: vscode.ExtensionContext): Tool =>
  findTool({
    setting: vscode.workspace.getConfiguration('zigzag').get('path', ''),
    folders: vscode.workspace.isTrusted ? (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath) : [],
    path: process.env['PATH'] ?? '',
    windows: process.platform === 'win32',
    node: process.execPath,
    bundled: context.asAbsolutePath(join('out', 'server', 'main.js')),
    isFile,
  });

async function startServer(context: vscode.ExtensionContext): Promise<void> {
  await client?.stop();
  const { command, args, env, shell } = toolFor(context);
  const options = { env: { ...process.env, ...env }, shell };
  client = new LanguageClient('zigzag', 'ZigZag', { command, args: [...args, 'lsp'], options, transport: TransportKind.stdio }, { documentSelector: [{ language: 'zz' }] });
  await client.start();
}

/** Trains in a terminal that stays when the training has ended. */
async function train(tool: Tool, file: string, net: string): Promise<void> {
  if (tool.source === 'bundled') {
    void vscode.window.showErrorMessage('Training needs ZigZag itself: install the package zigzag-nn in this folder, or name it in the setting zigzag.path.');
    return;
  }
  const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(file));
  const argv = [...tool.args, 'train', `${file}:${net}`];
  const options = { cwd: folder?.uri.fsPath ?? dirname(file), env: { ...tool.env } };
  const execution = tool.shell ? new vscode.ShellExecution(tool.command, argv, options) : new vscode.ProcessExecution(tool.command, argv, options);
  const task = new vscode.Task({ type: 'zigzag', net }, folder ?? vscode.TaskScope.Workspace, `train ${net}`, 'ZigZag', execution, []);
  task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, panel: vscode.TaskPanelKind.Dedicated, clear: true };
  await vscode.tasks.executeTask(task);
}

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const tool = (): Tool => toolFor(context);
  const { draw, disposable } = graphDrawer(tool);

  /** Runs a command on a net of the active file, which is saved first; what goes wrong is shown. */
  const onNet = (action: (file: string, net: string) => Promise<void>) => async (): Promise<void> => {
    const editor = vscode.window.activeTextEditor;
    if (editor?.document.languageId !== 'zz') return;
    try {
      const net = await chooseNet(editor);
      if (net === undefined || !(await editor.document.save())) return;
      await action(editor.document.uri.fsPath, net);
    } catch (error) {
      void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
    }
  };
  const restart = async (): Promise<void> => {
    try {
      await startServer(context);
    } catch (error) {
      void vscode.window.showErrorMessage(`The ZigZag language server does not start: ${error instanceof Error ? error.message : String(error)}`);
    }
  };

  context.subscriptions.push(
    disposable,
    provideStages(tool),
    vscode.commands.registerCommand('zigzag.showStage', onNet(showStage)),
    vscode.commands.registerCommand('zigzag.drawGraph', onNet(draw)),
    vscode.commands.registerCommand('zigzag.train', onNet((file, net) => train(tool(), file, net))),
    vscode.commands.registerCommand('zigzag.restart', restart),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('zigzag.path')) void restart();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(restart),
  );
  await restart();
}

export const deactivate = (): Promise<void> | undefined => client?.stop();
