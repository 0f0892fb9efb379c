// What the page can do, and with which keys.

import { html, render } from 'lit-html';

const KEYS: readonly (readonly [keys: string, does: string])[] = [
  ['Ctrl-Space', 'complete: statements, functions, arguments, names, settings'],
  ['F12, Ctrl-click', 'go to the definition'],
  ['Shift-Alt-F', 'bring the text into its canonical form'],
  ['F8', 'go to the next problem'],
  ['Ctrl-S', 'save the text as a file'],
  ['Ctrl-F', 'search, in the source and in the IR'],
  ['Ctrl-Enter', 'train, stop, go on'],
  ['Tab', 'leave the editor for the next part of the page'],
];

export function createHelp(dialog: HTMLDialogElement): () => void {
  render(
    html`<form method="dialog">
      <h2>ZigZag playground</h2>
      <p>Write a net on the left. The right shows its graph by stream and step, every stage of its compilation, and trains it: on the GPU where the browser has WebGPU, otherwise on the processor.</p>
      <p>Nothing leaves this page. Its address holds the text: a bookmark keeps it, a link shares it.</p>
      <table>${KEYS.map(([keys, does]) => html`<tr><th scope="row"><kbd>${keys}</kbd></th><td>${does}</td></tr>`)}</table>
      <p>A click or Enter on a box of the graph, or on a line of the IR, shows where in the text it comes from.</p>
      <p>On the command line: <code>npx zz train net.zz</code>, <code>npx zz ir net.zz --stage autodiff</code>; the reference is in <code>docs/</code>.</p>
      <button autofocus>Close</button>
    </form>`,
    dialog,
  );
  dialog.addEventListener('click', ({ target }) => {
    if (target === dialog) dialog.close();
  });
  return () => dialog.showModal();
}
