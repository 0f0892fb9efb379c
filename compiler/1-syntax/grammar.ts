// The grammar of .zz as chevrotain rules, one for each production of the language reference, and how the parser recovers from an error.

import type { CstNode, IToken, ParserMethod, TokenType } from 'chevrotain';
import type { TreeMaker } from './cst-to-ast.ts';
import { BLOCKS, ITEM, ITEMS, NETS, RecoveringParser } from './recovery.ts';
import type { Found, Report } from './recovery.ts';
import {
  Add, Arrow, BackArrow, Backward, BinaryOp, Both, Cell, Colon, Comma, Concat, Cross, DotDot, Equal, False, From, Grad, Import, Init, Input, is, Key, Layer, LBrace,
  LetName, LetWord, Loss, LParen, LSquare, Mean, Minus, Net, Num, Of, Output, PlusEqual, RBrace, Repeat, RParen, RSquare, Shared, StageName, STARTERS, Step, Str, Straight,
  Streams, Swap, Train, True, Twin, View, VOCABULARY, Word, Zigzag,
} from './tokens.ts';

type Rule = ParserMethod<[], CstNode>;
type Growing = Pick<TreeMaker, 'item' | 'net'>;
type Emptied = CstNode & { children: CstNode['children'] };

/** In a cell, a let is no statement of the net around it. */
const OUTSIDE_CELL: ReadonlySet<TokenType> = new Set([...ITEMS].filter((type) => type !== LetName && type !== LetWord));
/** After an error in a header: its brace, if there is one. */
const HEADER: ReadonlySet<TokenType> = new Set([...STARTERS, LBrace]);

/** The parser. `skipValidations` leaves out chevrotain's checks of the grammar itself, which a test runs. */
export class ZigZagParser extends RecoveringParser {
  constructor(options: { readonly skipValidations: boolean } = { skipValidations: true }) {
    super(VOCABULARY, options);
    this.performSelfAnalysis();
  }

  private tree: Growing | undefined;
  /** The statement that was read last. What stands right after it may still be wrong with it. */
  private last: { readonly item: Emptied; readonly found: Found } | undefined;

  /**
   * Parses tokens whose words have their roles. Never throws on bad input. Statements and nets are given to `tree` once they are read, and their nodes emptied: nodes take
   * far more room than what is made of them, and those of a long file would be copied again and again while memory fills up, which takes longer than parsing.
   */
  parse(tokens: IToken[], tree: Growing): Report & { readonly cst: CstNode } {
    this.input = tokens;
    this.tree = tree;
    const cst = this.file();
    this.tree = undefined;
    return { cst, ...this.report() };
  }

  private readonly file: Rule = this.RULE('file', () => {
    do this.MANY(() => this.attempt(() => this.OR([{ ALT: () => this.SUBRULE(this.import) }, { ALT: () => this.wholeNet() }]), NETS));
    while (this.junk("'net' or 'import'", NETS));
  });

  private wholeNet(): void {
    const found = this.mark();
    const net: Emptied = this.SUBRULE(this.net);
    this.ACTION(() => {
      this.tree?.net(net, found().lost);
      net.children = {};
    });
  }

  private wholeItem(): void {
    const found = this.mark();
    const item = this.SUBRULE(this.item);
    this.ACTION(() => {
      this.giveLast();
      this.last = { item, found };
    });
  }

  private giveLast(): void {
    if (this.last === undefined) return;
    const { item, found } = this.last;
    this.tree?.item(item, found().faults);
    item.children = {};
    this.last = undefined;
  }

  private readonly import: Rule = this.RULE('import', () => {
    this.CONSUME(Import);
    this.CONSUME(Str);
  });

  private readonly net: Rule = this.RULE('net', () => {
    this.CONSUME(Net);
    this.need(Word, () => this.CONSUME(Word), LBrace);
    this.need(LBrace, () => this.CONSUME(LBrace), ...ITEMS);
    do this.MANY(() => this.attempt(() => this.wholeItem(), STARTERS, true));
    while (this.junk(ITEM, NETS));
    this.close();
    this.ACTION(() => this.giveLast());
  });

  private readonly item: Rule = this.RULE('item', () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.inputItem) },
      { ALT: () => this.SUBRULE(this.view) },
      { ALT: () => this.SUBRULE(this.let) },
      { ALT: () => this.SUBRULE(this.layer) },
      { ALT: () => this.SUBRULE(this.cell) },
      { ALT: () => this.SUBRULE(this.streams) },
      { ALT: () => this.SUBRULE(this.twin) },
      { ALT: () => this.SUBRULE(this.backward) },
      { ALT: () => this.SUBRULE(this.output) },
      { ALT: () => this.SUBRULE(this.loss) },
      { ALT: () => this.SUBRULE(this.train) },
    ]);
  });

  private readonly inputItem: Rule = this.RULE('inputItem', () => {
    this.CONSUME(Input);
    this.CONSUME(Word);
    this.attempt(() => {
      this.need(Colon, () => this.CONSUME(Colon), LSquare);
      this.SUBRULE(this.shape);
    }, STARTERS, true);
  });

  private readonly shape: Rule = this.RULE('shape', () => {
    this.CONSUME(LSquare);
    this.CONSUME(Num);
    this.MANY(() => {
      this.CONSUME(Comma);
      this.CONSUME2(Num);
    });
    this.CONSUME(RSquare);
  });

  private readonly view: Rule = this.RULE('view', () => {
    this.CONSUME(View);
    this.CONSUME(Word);
    this.definition();
  });

  private readonly let: Rule = this.RULE('let', () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(LetWord);
          this.CONSUME(Word);
        },
      },
      { ALT: () => this.CONSUME(LetName) },
    ]);
    this.MANY(() => {
      this.CONSUME(Comma);
      this.CONSUME2(Word);
    });
    this.definition();
  });

  private readonly layer: Rule = this.RULE('layer', () => {
    this.CONSUME(Layer);
    this.CONSUME(Word);
    this.attempt(() => {
      this.CONSUME(Equal);
      this.SUBRULE(this.call);
    });
  });

  private readonly cell: Rule = this.RULE('cell', () => {
    this.CONSUME(Cell);
    this.CONSUME(Word);
    this.attempt(() => this.SUBRULE(this.params), HEADER);
    this.need(LBrace, () => this.CONSUME(LBrace), LetName, LetWord, Word);
    do {
      this.MANY(() => this.attempt(() => this.SUBRULE(this.let)));
      this.attempt(() => this.SUBRULE(this.expr));
    } while (this.junk(BLOCKS.cell, OUTSIDE_CELL));
    this.close();
  });

  private readonly params: Rule = this.RULE('params', () => {
    this.CONSUME(LParen);
    this.CONSUME(Word);
    this.need(Comma, () => this.CONSUME(Comma), Word);
    this.AT_LEAST_ONE_SEP({ SEP: Comma, DEF: () => this.CONSUME2(Word) });
    this.CONSUME(RParen);
  });

  private readonly names: Rule = this.RULE('names', () => {
    do {
      this.CONSUME(Word);
      this.MANY(() => {
        this.CONSUME(Comma);
        this.CONSUME2(Word);
      });
    } while (this.forgotten(Comma, [Of, From]));
  });

  private readonly streams: Rule = this.RULE('streams', () => {
    this.CONSUME(Streams);
    this.SUBRULE(this.names);
    this.spell(Of);
    this.need(Of, () => this.CONSUME(Of), Word);
    this.CONSUME(Word);
    this.OPTION(() => this.CONSUME(Shared));
    this.need(LBrace, () => this.CONSUME(LBrace), Init, Step, Repeat);
    this.OPTION2(() => {
      this.CONSUME(Init);
      this.attempt(() => this.SUBRULE(this.expr));
    });
    this.steppings();
    this.close();
  });

  private steppings(): void {
    do this.MANY(() => this.attempt(() => this.OR([{ ALT: () => this.SUBRULE(this.step) }, { ALT: () => this.SUBRULE(this.repeatSteps) }])));
    while (this.junk(BLOCKS.streams, ITEMS));
  }

  private readonly step: Rule = this.RULE('step', () => {
    this.CONSUME(Step);
    this.attempt(() => {
      this.SUBRULE(this.expr);
      this.need(Colon, () => this.CONSUME(Colon), Straight, Zigzag, LParen);
      this.SUBRULE(this.route);
    });
  });

  private readonly repeatSteps: Rule = this.RULE('repeatSteps', () => {
    this.CONSUME(Repeat);
    this.need(Num, () => this.CONSUME(Num), LBrace);
    this.need(LBrace, () => this.CONSUME(LBrace), Step, Repeat);
    this.steppings();
    this.close();
  });

  private readonly route: Rule = this.RULE('route', () => {
    this.spell(Straight, Zigzag);
    this.OR([{ ALT: () => this.CONSUME(Straight) }, { ALT: () => this.CONSUME(Zigzag) }, { ALT: () => this.SUBRULE(this.arms) }]);
  });

  private readonly arms: Rule = this.RULE('arms', () => {
    this.CONSUME(LParen);
    this.AT_LEAST_ONE_SEP({ SEP: Comma, DEF: () => this.SUBRULE(this.arm) });
    this.CONSUME(RParen);
  });

  private readonly arm: Rule = this.RULE('arm', () => {
    this.CONSUME(Word);
    this.CONSUME(BackArrow);
    this.SUBRULE(this.expr);
  });

  private readonly twin: Rule = this.RULE('twin', () => {
    this.CONSUME(Twin);
    this.SUBRULE(this.names);
    this.spell(From);
    this.CONSUME(From);
    this.attempt(() => this.AT_LEAST_ONE_SEP({ SEP: Comma, DEF: () => this.SUBRULE(this.expr) }), HEADER);
    this.need(LBrace, () => this.CONSUME(LBrace), Both, Cross, Repeat, StageName);
    this.stages();
    this.close();
  });

  private stages(): void {
    do this.MANY(() => this.attempt(() => this.SUBRULE(this.stage)));
    while (this.junk(BLOCKS.twin, ITEMS));
  }

  private readonly stage: Rule = this.RULE('stage', () => {
    this.OR([
      {
        ALT: () => {
          this.OR2([{ ALT: () => this.CONSUME(Both) }, { ALT: () => this.AT_LEAST_ONE_SEP({ SEP: Comma, DEF: () => this.CONSUME(StageName) }) }]);
          this.SUBRULE(this.target);
          this.MANY(() => {
            this.CONSUME(Arrow);
            this.SUBRULE2(this.target);
          });
          this.OPTION(() => this.CONSUME(Shared));
        },
      },
      { ALT: () => this.SUBRULE(this.cross) },
      { ALT: () => this.SUBRULE(this.repeatStages) },
    ]);
  });

  private readonly cross: Rule = this.RULE('cross', () => {
    this.CONSUME(Cross);
    this.spell(Swap, Concat, Add, Mean);
    this.OR([
      { ALT: () => this.CONSUME(Swap) },
      { ALT: () => this.CONSUME(Concat) },
      { ALT: () => this.CONSUME(Add) },
      { ALT: () => this.CONSUME(Mean) },
      { ALT: () => this.SUBRULE(this.arms) },
    ]);
  });

  private readonly repeatStages: Rule = this.RULE('repeatStages', () => {
    this.CONSUME(Repeat);
    this.need(Num, () => this.CONSUME(Num), LBrace);
    this.need(LBrace, () => this.CONSUME(LBrace), Both, Cross, Repeat, StageName);
    this.stages();
    this.close();
  });

  private readonly backward: Rule = this.RULE('backward', () => {
    this.CONSUME(Backward);
    this.need(LBrace, () => this.CONSUME(LBrace), Grad);
    do this.MANY(() => this.attempt(() => this.SUBRULE(this.gradRoute)));
    while (this.junk(BLOCKS.backward, ITEMS));
    this.close();
  });

  private readonly gradRoute: Rule = this.RULE('gradRoute', () => {
    this.CONSUME(Grad);
    this.CONSUME(LParen);
    this.CONSUME(Word);
    this.CONSUME(RParen);
    this.OR([{ ALT: () => this.CONSUME(Equal) }, { ALT: () => this.CONSUME(PlusEqual) }]);
    this.attempt(() => this.SUBRULE(this.expr));
  });

  private readonly output: Rule = this.RULE('output', () => {
    this.CONSUME(Output);
    this.CONSUME(Word);
    this.OPTION(() => this.definition());
  });

  private readonly loss: Rule = this.RULE('loss', () => {
    this.CONSUME(Loss);
    this.attempt(() => this.SUBRULE(this.expr));
  });

  private readonly train: Rule = this.RULE('train', () => {
    this.CONSUME(Train);
    this.need(LBrace, () => this.CONSUME(LBrace), Key);
    do this.MANY(() => this.attempt(() => this.SUBRULE(this.setting)));
    while (this.junk(BLOCKS.train, ITEMS));
    this.close();
  });

  /** `batch = 25` and `batch: 25` are read too, and refused later: the mistake is a common one. */
  private readonly setting: Rule = this.RULE('setting', () => {
    this.CONSUME(Key);
    this.OPTION(() => this.OR([{ ALT: () => this.CONSUME(Equal) }, { ALT: () => this.CONSUME(Colon) }]));
    this.SUBRULE(this.value);
  });

  /** Operators of both precedences in one list; the tree is made in cst-to-ast.ts, without recursion. */
  private readonly expr: Rule = this.RULE('expr', () => {
    this.SUBRULE(this.operand);
    this.MANY(() => {
      this.CONSUME(BinaryOp);
      this.SUBRULE2(this.operand);
    });
    this.exprEnd = this.LA(0);
  });

  /** flow and atom of the reference. */
  private readonly operand: Rule = this.RULE('operand', () => {
    this.MANY(() => this.CONSUME(Minus));
    this.OR([
      { ALT: () => this.CONSUME(Num) },
      {
        ALT: () => {
          this.CONSUME(LParen);
          this.SUBRULE(this.expr);
          this.CONSUME(RParen);
        },
      },
      {
        ALT: () => {
          this.CONSUME(Word);
          this.OPTION(() => this.OR2([{ ALT: () => this.SUBRULE(this.args) }, { ALT: () => this.SUBRULE(this.index) }]));
        },
      },
    ]);
    this.MANY2(() => {
      this.CONSUME(Arrow);
      this.SUBRULE(this.target);
    });
  });

  private readonly index: Rule = this.RULE('index', () => {
    this.CONSUME(LSquare);
    this.OPTION(() => this.CONSUME(Minus));
    this.CONSUME(Num);
    this.CONSUME(RSquare);
  });

  private readonly target: Rule = this.RULE('target', () => {
    this.CONSUME(Word);
    this.OPTION(() => this.SUBRULE(this.args));
  });

  private readonly call: Rule = this.RULE('call', () => {
    this.CONSUME(Word);
    this.SUBRULE(this.args);
  });

  private readonly args: Rule = this.RULE('args', () => {
    this.CONSUME(LParen);
    this.MANY_SEP({ SEP: Comma, DEF: () => this.SUBRULE(this.arg) });
    this.CONSUME(RParen);
  });

  /** `k = 3` is read too, and refused later. */
  private readonly arg: Rule = this.RULE('arg', () => {
    this.OPTION(() => {
      this.CONSUME(Word);
      this.OR([{ ALT: () => this.CONSUME(Colon) }, { ALT: () => this.CONSUME(Equal) }]);
    });
    this.SUBRULE(this.value);
  });

  private readonly value: Rule = this.RULE('value', () => {
    const alone = (): boolean => ![BinaryOp, Arrow, LParen, LSquare].some((type) => is(this.LA(2), type));
    this.OR([
      { ALT: () => this.CONSUME(Str) },
      { GATE: alone, ALT: () => this.CONSUME(True) },
      { GATE: alone, ALT: () => this.CONSUME(False) },
      {
        ALT: () => {
          this.CONSUME(Num);
          this.CONSUME(DotDot);
          this.CONSUME2(Num);
        },
      },
      { ALT: () => this.SUBRULE(this.list) },
      { ALT: () => this.SUBRULE(this.expr), IGNORE_AMBIGUITIES: true },
    ]);
  });

  private readonly list: Rule = this.RULE('list', () => {
    this.CONSUME(LSquare);
    this.AT_LEAST_ONE_SEP({ SEP: Comma, DEF: () => this.SUBRULE(this.value) });
    this.CONSUME(RSquare);
  });

  /** The brace that ends a block; without it the block stays, with what was read of it. */
  private close(): void {
    this.attempt(() => this.CONSUME(RBrace));
  }

  /** `= expr`; without a value the names stay known. */
  private definition(): void {
    this.attempt(() => {
      this.CONSUME(Equal);
      this.SUBRULE(this.expr);
    });
  }
}
