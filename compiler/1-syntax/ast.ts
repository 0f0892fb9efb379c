// The syntax tree of a .zz file, as the grammar of the language reference has it. Every node carries its place.
// Where a syntax error left something out, a name is the empty string: a hole, which has been reported already.

import type { Loc } from '../diagnostics.ts';

export interface Ident {
  readonly name: string;
  readonly loc: Loc;
}

export interface Comment {
  /** With its `//` or `#`. */
  readonly text: string;
  readonly loc: Loc;
}

export interface File {
  readonly imports: readonly Import[];
  readonly nets: readonly Net[];
  /** In source order; the formatter puts them back. */
  readonly comments: readonly Comment[];
  readonly loc: Loc;
}

export interface Import {
  readonly path: string;
  readonly loc: Loc;
}

export interface Net {
  readonly name: Ident;
  readonly items: readonly Item[];
  readonly loc: Loc;
}

export type Item = Input | View | Let | Layer | Cell | Streams | Twin | Backward | Output | Loss | Train;

export interface Input {
  readonly kind: 'input';
  readonly name: Ident;
  readonly shape: readonly NumberLiteral[];
  readonly loc: Loc;
}

export interface View {
  readonly kind: 'view';
  readonly name: Ident;
  readonly value: Expr;
  readonly loc: Loc;
}

export interface Let {
  readonly kind: 'let';
  readonly names: readonly Ident[];
  readonly value: Expr;
  /** Whether the word `let` was written. */
  readonly keyword: boolean;
  readonly loc: Loc;
}

export interface Layer {
  readonly kind: 'layer';
  readonly name: Ident;
  readonly value: Call;
  readonly loc: Loc;
}

export interface Cell {
  readonly kind: 'cell';
  readonly name: Ident;
  /** The input first, then the hidden state. */
  readonly params: readonly Ident[];
  readonly body: readonly Let[];
  readonly result: Expr;
  readonly loc: Loc;
}

export interface Streams {
  readonly kind: 'streams';
  readonly names: readonly Ident[];
  readonly cell: Ident;
  readonly shared: boolean;
  readonly init?: Expr;
  readonly steps: readonly Stepping[];
  readonly loc: Loc;
}

export type Stepping =
  | { readonly kind: 'step'; readonly value: Expr; readonly route: StepRoute; readonly loc: Loc }
  | { readonly kind: 'repeat'; readonly count: NumberLiteral; readonly body: readonly Stepping[]; readonly loc: Loc };

export type StepRoute = { readonly form: 'straight' | 'zigzag'; readonly loc: Loc } | { readonly form: 'arms'; readonly arms: readonly Arm[]; readonly loc: Loc };

export interface Arm {
  readonly stream: Ident;
  readonly value: Expr;
  readonly loc: Loc;
}

export interface Twin {
  readonly kind: 'twin';
  readonly names: readonly Ident[];
  readonly from: readonly Expr[];
  readonly stages: readonly Stage[];
  readonly loc: Loc;
}

export type Stage =
  /** `streams` is `both`, or the streams it is put on. */
  | { readonly kind: 'pipe'; readonly streams: 'both' | readonly Ident[]; readonly pipe: readonly (Call | Name)[]; readonly shared: boolean; readonly loc: Loc }
  | { readonly kind: 'cross'; readonly form: 'swap' | 'concat' | 'add' | 'mean'; readonly loc: Loc }
  | { readonly kind: 'cross'; readonly form: 'arms'; readonly arms: readonly Arm[]; readonly loc: Loc }
  | { readonly kind: 'repeat'; readonly count: NumberLiteral; readonly body: readonly Stage[]; readonly loc: Loc };

export interface Backward {
  readonly kind: 'backward';
  readonly routes: readonly { readonly target: Ident; readonly mode: '=' | '+='; readonly value: Expr; readonly loc: Loc }[];
  readonly loc: Loc;
}

export interface Output {
  readonly kind: 'output';
  readonly name: Ident;
  readonly value?: Expr;
  readonly loc: Loc;
}

export interface Loss {
  readonly kind: 'loss';
  readonly value: Expr;
  readonly loc: Loc;
}

export interface Train {
  readonly kind: 'train';
  readonly settings: readonly { readonly key: Ident; readonly value: Value; readonly loc: Loc }[];
  readonly loc: Loc;
}

export type Expr = NumberLiteral | Name | Index | Call | Negate | Binary | Flow;

export interface NumberLiteral {
  readonly kind: 'number';
  readonly value: number;
  /** As it was written: `8e-5` stays `8e-5`. */
  readonly text: string;
  readonly loc: Loc;
}

export interface Name {
  readonly kind: 'name';
  readonly name: string;
  readonly loc: Loc;
}

/** `L[2]`, `L[-1]`. */
export interface Index {
  readonly kind: 'index';
  readonly stream: Ident;
  readonly index: number;
  readonly loc: Loc;
}

export interface Call {
  readonly kind: 'call';
  readonly callee: Ident;
  readonly args: readonly Arg[];
  readonly loc: Loc;
}

export interface Arg {
  readonly name?: Ident;
  readonly value: Value;
  readonly loc: Loc;
}

export interface Negate {
  readonly kind: 'negate';
  readonly value: Expr;
  readonly loc: Loc;
}

export interface Binary {
  readonly kind: 'binary';
  readonly op: '+' | '-' | '*' | '/';
  readonly left: Expr;
  readonly right: Expr;
  readonly loc: Loc;
}

/** `value -> target`: the value becomes the target's first argument. */
export interface Flow {
  readonly kind: 'flow';
  readonly value: Expr;
  readonly target: Call | Name;
  readonly loc: Loc;
}

export type Value = Expr | StringLiteral | BooleanLiteral | Range | List;

export interface StringLiteral {
  readonly kind: 'string';
  readonly value: string;
  readonly loc: Loc;
}

export interface BooleanLiteral {
  readonly kind: 'boolean';
  readonly value: boolean;
  readonly loc: Loc;
}

/** `0..0.5`. */
export interface Range {
  readonly kind: 'range';
  readonly low: NumberLiteral;
  readonly high: NumberLiteral;
  readonly loc: Loc;
}

export interface List {
  readonly kind: 'list';
  readonly items: readonly Value[];
  readonly loc: Loc;
}
