// The page: its parts, and what goes on between them.

import { fromHash, toHash } from './address.ts';
import { language } from './compiler/client.ts';
import type { Edited } from './compiler/source.ts';
import { createEditor } from './editor/editor.ts';
import { showMeaning } from './editor/meaning.ts';
import { EXAMPLES } from './examples.ts';
import { save } from './files.ts';
import { createGraph } from './graph/graph.ts';
import { createHeader } from './header.ts';
import { createHelp } from './help.ts';
import { createIr } from './ir/ir.ts';
import { keepForOffline } from './offline.ts';
import { createProblems } from './problems.ts';
import { createSplitter } from './splitter.ts';
import { createPage, editedOf, keptOf, stateOf } from './state.ts';
import type { State } from './state.ts';
import { createStatus } from './status.ts';
import { createTabs, showInSource } from './tabs.ts';
import { createControl } from './train/control.ts';
import { takeDrops } from './train/drops.ts';
import { createTrainPanel } from './train/panel.ts';

const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
};

/** What `zz playground` was asked to open, as JSON: null where that is nothing. A static site says nothing here. */
const served = byId('opened').textContent.trim();

function opened(): State {
  const given = served === '' ? null : (JSON.parse(served) as Edited | null);
  return given ? { ...stateOf(given), beside: { ...EXAMPLES, ...given.beside } } : stateOf(undefined);
}

async function stateOfAddress(): Promise<State> {
  const blank = opened();
  try {
    return stateOf(await fromHash(location.hash), blank);
  } catch {
    return { ...blank, message: 'The address is damaged: what it held could not be read' };
  }
}

const page = createPage(await stateOfAddress());
const say = (message: string): void => page.set({ message });

const editor = createEditor({
  place: byId('editor'),
  text: page.get().text,
  edited: () => ({ ...editedOf(page.get()), text: editor.view.state.doc.toString() }),
  say,
  onText: (text) => {
    page.set({ text, message: '' });
    checkSoon();
  },
  onCursor: (cursor) => page.set({ cursor }),
});

/** Milliseconds without a key before a text is checked, and before the address is written. */
const [CHECK, WRITE] = [120, 400];

let checking = 0;
function checkSoon(): void {
  clearTimeout(checking);
  checking = setTimeout(() => void check(), CHECK) as unknown as number;
}

async function check(): Promise<void> {
  clearTimeout(checking);
  const edited = editedOf(page.get());
  const checked = await language.check(edited);
  if (page.get().text !== edited.text) return;
  page.set({ checked });
  showMeaning(editor.view, checked);
}

let writing = 0;
let written = location.hash;
page.listen(() => {
  clearTimeout(writing);
  writing = setTimeout(() => void writeAddress(), WRITE) as unknown as number;
});

async function writeAddress(): Promise<boolean> {
  const hash = await toHash(keptOf(page.get()));
  if (hash === undefined) {
    say('The text is too long for an address: it is not kept when the page is loaded anew');
    return false;
  }
  if (hash !== written) history.replaceState(null, '', hash);
  written = hash;
  return true;
}

// Another link was put into the address, or the way back was taken.
window.addEventListener('popstate', () => {
  if (location.hash === written) return;
  written = location.hash;
  void stateOfAddress().then(open);
});

function open(state: State): void {
  page.set(state);
  editor.open(state.text);
}

const actions = {
  openExample: (file: string) => actions.openText(file, EXAMPLES[file] ?? ''),
  openText: async (file: string, text: string): Promise<void> => {
    // The way back leads to the text as it was.
    await writeAddress();
    history.pushState(null, '', location.href);
    open({ ...page.get(), file, text, net: '' });
    editor.view.focus();
  },
  format: () => void editor.format(),
  download: () => save(page.get().file, page.get().text, 'text/plain'),
  copyLink: async (): Promise<void> => {
    if (!(await writeAddress())) return;
    await navigator.clipboard.writeText(location.href).then(
      () => say('The link is copied: it holds the text itself'),
      () => say('The browser did not let the link be copied: take it from the address bar'),
    );
  },
  help: createHelp(byId('help') as HTMLDialogElement),
};

createHeader(byId('header'), page, actions);
createTabs(byId('tabs'), byId('main'), page);
createSplitter(byId('splitter'), byId('main'));
createProblems(byId('problems'), page, () => editor);
createGraph(byId('graph'), page, () => editor);
createIr(byId('ir'), page, () => editor);
createStatus(byId('status'), page, () => {
  const first = page.get().checked?.problems.find(({ elsewhere }) => elsewhere === undefined);
  if (first) showInSource(page, editor, first.span);
});

const control = createControl(page, check);
createTrainPanel(byId('train'), page, control);
takeDrops({
  source: async (file) => actions.openText(file.name, await file.text()),
  image: (file) => void control.predict(file),
  data: (files) => {
    page.set({ tab: 'train' });
    void control.bring(files);
  },
  predicts: () => ['stopped', 'done'].includes(control.state.get().phase),
});

/** With Ctrl or Cmd, wherever the focus is. */
const KEYS: Readonly<Record<string, () => void>> = {
  s: actions.download,
  Enter: () => {
    page.set({ tab: 'train' });
    void control.next();
  },
};
document.addEventListener('keydown', (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  const does = KEYS[event.key];
  if (!does) return;
  event.preventDefault();
  event.stopPropagation();
  does();
}, { capture: true });

await check();
if (served === '') await keepForOffline(writeAddress);
