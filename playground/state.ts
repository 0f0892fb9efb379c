// What the page shows, and which part of it its address keeps.

import type { Checked, Net } from './compiler/check.ts';
import type { Edited } from './compiler/source.ts';
import { EXAMPLES, START } from './examples.ts';
import { createStore } from './store.ts';
import type { Store } from './store.ts';
import { SETUP, setupOf } from './train/setup.ts';
import type { Setup } from './train/setup.ts';

export const TABS = ['source', 'graph', 'ir', 'train'] as const;
export type Tab = (typeof TABS)[number];

export interface State extends Edited {
  /** The net that was chosen, where the file has several. */
  readonly net: string;
  readonly tab: Tab;
  readonly ir: Inspected;
  readonly setup: Setup;
  /** Of an earlier text while the check of this one is under way. */
  readonly checked?: Checked;
  /** An offset. */
  readonly cursor: number;
  /** For the status line. */
  readonly message: string;
}

/** What is looked at of the compilation. */
export interface Inspected {
  readonly stage: string;
  readonly view: 'text' | 'diff' | 'drawing';
  /** The other stage of a difference; nothing for the one before. */
  readonly from: string;
}

export type Page = Store<State>;

/** What an address keeps. */
export const keptOf = ({ file, text, net, tab, ir, setup }: State): unknown => ({ file, text, net, tab, ir, setup });

const BLANK: State = { file: START, text: EXAMPLES[START] ?? '', beside: EXAMPLES, net: '', tab: 'graph', ir: { stage: 'graph', view: 'text', from: '' }, setup: SETUP, cursor: 0, message: '' };

/** A page on what an address kept; what it lacks or has wrong is as in a new page. */
export function stateOf(value: unknown, blank: State = BLANK): State {
  const { file, text, net, tab, ir, setup } = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const { stage, view, from } = (typeof ir === 'object' && ir !== null ? ir : {}) as Readonly<Record<string, unknown>>;
  const word = (given: unknown, otherwise: string): string => (typeof given === 'string' ? given : otherwise);
  const oneOf = <T extends string>(given: unknown, all: readonly T[], otherwise: T): T => all.find((each) => each === given) ?? otherwise;
  return {
    ...blank,
    file: word(file, blank.file),
    text: word(text, blank.text),
    net: word(net, blank.net),
    tab: oneOf(tab, TABS, blank.tab),
    ir: { stage: word(stage, blank.ir.stage), view: oneOf(view, ['text', 'diff', 'drawing'], blank.ir.view), from: word(from, blank.ir.from) },
    setup: setup === undefined ? blank.setup : setupOf(setup),
  };
}

export const createPage = (state: State): Page => createStore(state);

export const editedOf = ({ file, text, beside }: State): Edited => ({ file, text, beside });

/** The net that is shown: the one that was chosen, or the file's last, which the others are parts of. */
export const netOf = ({ checked, net }: State): Net | undefined => checked?.nets.find(({ name }) => name === net) ?? checked?.nets.at(-1);

export const hasErrors = ({ checked }: State): boolean => checked?.problems.some(({ severity }) => severity === 'error') ?? false;
