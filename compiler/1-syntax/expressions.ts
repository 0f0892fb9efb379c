// The part of the grammar below statements: expressions, calls and their arguments, one rule for each production of the language reference.

import type { IOrAlt, IToken } from 'chevrotain';
import { diagnostic } from '../diagnostics.ts';
import type { Loc } from '../diagnostics.ts';
import type { Arg, Binary, Call, Expr, Name, Value } from './ast.ts';
import { HOLE, RecoveringParser } from './recovery.ts';
import { Arrow, BinaryOp, Colon, Comma, DotDot, Equal, False, is, LParen, LSquare, Minus, Num, RParen, RSquare, Str, True, Word } from './tokens.ts';

/** The longest chain of operations, or the deepest nest of them. Later stages may recurse so deep. */
export const MAX_HEIGHT = 1000;

/** An operand of a chain, and where it stands in the text, with its parentheses. */
interface Operand {
  readonly value: Expr;
  readonly height: number;
  readonly start: number;
  readonly end: number;
}

/** An operator and the operand after it. */
interface Operation {
  readonly op: Binary['op'];
  readonly right: Operand;
}

const OPERATORS: Readonly<Record<string, Binary['op']>> = { '+': '+', '-': '-', '*': '*', '/': '/' };

/** The rules of expressions. Alternatives that are read often are made once, as chevrotain's guide to performance has it. */
export abstract class ExpressionParser extends RecoveringParser {
  /** Levels of operations in the value that was read last. A tree that grows too high is cut where it is made, so that no later stage overflows its stack. */
  private height = 0;

  /** Operators of both precedences in one list, which becomes a tree without recursion. */
  protected readonly expr = this.RULE('expr', (): Expr => {
    const first = this.SUBRULE(this.operand);
    const operations: Operation[] = [];
    this.MANY(() => {
      const op = OPERATORS[this.CONSUME(BinaryOp).image] ?? '+';
      operations.push({ op, right: this.SUBRULE2(this.operand) });
    });
    const { value, height } = operations.length === 0 ? first : this.sumOf(first, operations);
    this.height = height;
    this.ended(value);
    return value;
  });

  /** A sum of products, each folded to the left. */
  private sumOf(first: Operand, operations: readonly Operation[]): Operand {
    let sum: { readonly left: Operand; readonly op: Binary['op'] } | undefined;
    let product = first;
    for (const { op, right } of operations) {
      if (op === '*' || op === '/') product = this.binary(op, product, right);
      else {
        sum = { left: sum === undefined ? product : this.binary(sum.op, sum.left, product), op };
        product = right;
      }
    }
    return sum === undefined ? product : this.binary(sum.op, sum.left, product);
  }

  private binary(op: Binary['op'], left: Operand, right: Operand): Operand {
    const { start } = left;
    const { end } = right;
    const loc = this.place(start, end);
    this.height = Math.max(left.height, right.height);
    const value = this.grows(loc) ? { kind: 'binary' as const, op, left: left.value, right: right.value, loc } : this.hole(end);
    return { value, height: this.height, start, end };
  }

  /** flow and atom of the reference. */
  private readonly operand = this.RULE('operand', (): Operand => {
    const start = this.start();
    const minuses: IToken[] = [];
    this.MANY(() => minuses.push(this.CONSUME(Minus)));
    const atom = this.OR(this.atoms);
    let value = minuses.length === 0 ? atom : this.negated(atom, minuses);
    this.MANY2(() => {
      this.CONSUME(Arrow);
      const { height } = this;
      const target = this.SUBRULE(this.target);
      const loc = this.placeFrom(start);
      this.height = Math.max(height, this.height);
      value = this.grows(loc) ? { kind: 'flow', value, target, loc } : this.hole();
    });
    return { value, height: this.height, start, end: this.end() };
  });

  private readonly atoms: IOrAlt<Expr>[] = [
    { ALT: () => this.plain(this.number(this.CONSUME(Num))) },
    {
      ALT: () => {
        this.CONSUME(LParen);
        const inner = this.SUBRULE(this.expr);
        this.CONSUME(RParen);
        return inner;
      },
    },
    {
      ALT: () => {
        const name = this.CONSUME(Word);
        const more = this.OPTION(() => this.OR2<Expr>([{ ALT: () => this.called(name, this.SUBRULE(this.args)) }, { ALT: () => this.indexed(name, this.SUBRULE(this.index)) }]));
        return more ?? this.named(name);
      },
    },
  ];

  private negated(atom: Expr, minuses: readonly IToken[]): Expr {
    return minuses.reduceRight<Expr>((value, minus) => {
      const loc = this.placeFrom(minus.startOffset);
      return this.grows(loc) ? { kind: 'negate', value, loc } : this.hole();
    }, atom);
  }

  private readonly index = this.RULE('index', (): number => {
    this.CONSUME(LSquare);
    const minus = this.OPTION(() => this.CONSUME(Minus));
    const { value } = this.whole(this.CONSUME(Num));
    this.CONSUME(RSquare);
    return minus === undefined ? value : -value;
  });

  private indexed(stream: IToken, index: number): Expr {
    return this.plain({ kind: 'index', stream: this.ident(stream), index, loc: this.placeFrom(stream.startOffset) });
  }

  protected readonly target = this.RULE('target', (): Call | Name => {
    const name = this.CONSUME(Word);
    return this.OPTION(() => this.called(name, this.SUBRULE(this.args))) ?? this.named(name);
  });

  protected readonly call = this.RULE('call', (): Call => {
    const name = this.CONSUME(Word);
    return this.called(name, this.SUBRULE(this.args));
  });

  /** The call of these arguments, which were read last. */
  private called(name: IToken, args: readonly Arg[]): Call {
    const callee = this.ident(name);
    const loc = this.placeFrom(name.startOffset);
    return this.grows(loc) ? { kind: 'call', callee, args, loc } : { kind: 'call', callee: { name: HOLE, loc: callee.loc }, args: [], loc };
  }

  private named(token: IToken): Name {
    const { name, loc } = this.ident(token);
    return this.plain({ kind: 'name', name, loc });
  }

  private readonly args = this.RULE('args', (): readonly Arg[] => {
    const args: Arg[] = [];
    let height = 0;
    this.CONSUME(LParen);
    this.MANY_SEP({
      SEP: Comma,
      DEF: () => {
        args.push(this.SUBRULE(this.arg));
        height = Math.max(height, this.height);
      },
    });
    this.CONSUME(RParen);
    this.height = height;
    return args;
  });

  /** `k = 3` is read too, and refused: the mistake is a common one. */
  private readonly arg = this.RULE('arg', (): Arg => {
    const start = this.start();
    const named = this.OPTION(() => {
      const word = this.CONSUME(Word);
      return { name: this.ident(word), sign: this.OR<IToken>([{ ALT: () => this.CONSUME(Colon) }, { ALT: () => this.CONSUME(Equal) }]) };
    });
    const value = this.SUBRULE(this.value);
    const loc = this.placeFrom(start);
    if (named === undefined) return { value, loc };
    if (is(named.sign, Equal)) this.wrong(named.sign, "':' after the name of an argument");
    return { name: named.name, value, loc };
  });

  protected readonly value = this.RULE('value', (): Value => this.OR(this.values));

  private readonly values: IOrAlt<Value>[] = [
    { ALT: () => this.string(this.CONSUME(Str)) },
    { GATE: () => this.isAlone(), ALT: () => this.truth(this.CONSUME(True), true) },
    { GATE: () => this.isAlone(), ALT: () => this.truth(this.CONSUME(False), false) },
    {
      ALT: () => {
        const start = this.start();
        const low = this.number(this.CONSUME(Num));
        this.CONSUME(DotDot);
        const high = this.number(this.CONSUME2(Num));
        return this.plain({ kind: 'range', low, high, loc: this.placeFrom(start) });
      },
    },
    { ALT: () => this.SUBRULE(this.list) },
    { ALT: () => this.SUBRULE(this.expr), IGNORE_AMBIGUITIES: true },
  ];

  /** Whether `true` and `false` are no names here, of something that goes on. */
  private isAlone(): boolean {
    const after = this.LA(2);
    return !(is(after, BinaryOp) || is(after, Arrow) || is(after, LParen) || is(after, LSquare));
  }

  private string(token: IToken): Value {
    return this.plain({ kind: 'string', value: unquoted(token), loc: this.placeFrom(token.startOffset) });
  }

  private truth({ startOffset }: IToken, value: boolean): Value {
    return this.plain({ kind: 'boolean', value, loc: this.placeFrom(startOffset) });
  }

  private readonly list = this.RULE('list', (): Value => {
    const start = this.start();
    const items: Value[] = [];
    let height = 0;
    this.CONSUME(LSquare);
    this.AT_LEAST_ONE_SEP({
      SEP: Comma,
      DEF: () => {
        items.push(this.SUBRULE(this.value));
        height = Math.max(height, this.height);
      },
    });
    this.CONSUME(RSquare);
    this.height = height;
    const loc = this.placeFrom(start);
    return this.grows(loc) ? { kind: 'list', items, loc } : this.hole();
  });

  /** A value without parts. */
  private plain<V extends Value>(value: V): V {
    this.height = 0;
    return value;
  }

  /** Whether there is room for one level more, over what was read last. Where there is none, that is reported once, and holds for what is above too. */
  private grows(loc: Loc): boolean {
    this.height++;
    if (this.height === MAX_HEIGHT + 1) this.tell(diagnostic('ZZ1005', loc, `more than ${MAX_HEIGHT} operations one after the other or inside each other`));
    if (this.height > MAX_HEIGHT) this.height = Infinity;
    return this.height <= MAX_HEIGHT;
  }
}

/** The text of a string, also of one without an end. */
export const unquoted = ({ image }: IToken): string => image.slice(1, image.length > 1 && image.endsWith('"') ? -1 : undefined);

