// The grammar of .zz as chevrotain rules, one for each production of the language reference, each giving its part of the tree, and how the parser recovers from an error.
// Parts that an error left out become holes, so that what stands around them is still there.

import type { IOrAlt, IToken, TokenType } from 'chevrotain';
import type {
  Arm, Backward as BackwardBlock, Cell as CellItem, Expr, Ident, Import as ImportLine, Item, Let, Net as NetBlock, NumberLiteral, Stage, Stepping, StepRoute, Train as TrainBlock,
} from './ast.ts';
import { ExpressionParser, unquoted } from './expressions.ts';
import { BLOCKS, HOLE, ITEM, ITEMS, NETS } from './recovery.ts';
import type { Place, Report } from './recovery.ts';
import {
  Add, Arrow, BackArrow, Backward, Both, Cell, Colon, Comma, Concat, Cross, Equal, From, Grad, Import, Init, Input, Key, Layer, LBrace, LetName, LetWord, Loss, LParen, LSquare,
  Mean, Net, Num, Of, Output, PlusEqual, RBrace, Repeat, RParen, RSquare, Shared, StageName, STARTERS, Step, Str, Straight, Streams, Swap, Train, Twin, View, VOCABULARY, Word, Zigzag,
} from './tokens.ts';

/** In a cell, a let is no statement of the net around it. */
const OUTSIDE_CELL: ReadonlySet<TokenType> = new Set([...ITEMS].filter((type) => type !== LetName && type !== LetWord));
/** After an error in a header: its brace, if there is one. */
const HEADER: ReadonlySet<TokenType> = new Set([...STARTERS, LBrace]);

interface Parts {
  readonly imports: readonly ImportLine[];
  readonly nets: readonly NetBlock[];
}

/** The parser. `skipValidations` leaves out chevrotain's checks of the grammar itself, which a test runs. */
export class ZigZagParser extends ExpressionParser {
  constructor(options: { readonly skipValidations: boolean } = { skipValidations: true }) {
    super(VOCABULARY, options);
    this.performSelfAnalysis();
  }

  /** Parses tokens whose words have their roles; `place` turns spans into places. Never throws on bad input. */
  parse(tokens: IToken[], place: Place): Report & Parts {
    this.begin(tokens, place);
    const parts = this.file();
    return { ...parts, ...this.report() };
  }

  private readonly file = this.RULE('file', (): Parts => {
    const imports: ImportLine[] = [];
    const nets: NetBlock[] = [];
    do {
      this.MANY(() => this.attempt(() => {
        const keyword = this.LA(1);
        this.OR([
          {
            ALT: () => {
              imports.push(this.SUBRULE(this.import));
              if (nets.length > 0) this.wrong(keyword, 'imports above the first net', 'an import below a net');
            },
          },
          { ALT: () => nets.push(this.SUBRULE(this.net)) },
        ]);
      }, NETS));
    } while (this.junk("'net' or 'import'", NETS));
    return { imports, nets };
  });

  private readonly import = this.RULE('import', (): ImportLine => {
    const start = this.start();
    this.CONSUME(Import);
    return { path: unquoted(this.CONSUME(Str)), loc: this.placeFrom(start) };
  });

  private readonly net = this.RULE('net', (): NetBlock => {
    const [start, lost] = [this.start(), this.lostFromHere()];
    const items: Item[] = [];
    this.CONSUME(Net);
    const name = this.need(Word, () => this.ident(this.CONSUME(Word)), LBrace);
    this.need(LBrace, () => this.CONSUME(LBrace), ...ITEMS);
    do this.MANY(() => this.attempt(() => items.push(this.SUBRULE(this.item)), STARTERS, true));
    while (this.junk(ITEM, NETS));
    this.close();
    const loc = this.placeFrom(start);
    return { name: name ?? { name: HOLE, loc: this.after() }, items: this.withHoles(items, lost()), loc };
  });

  /** Statements without what may be cut off in them, and with holes for names that went with what was skipped, so that their uses are no errors. */
  private withHoles(read: readonly Item[], lost: readonly IToken[]): readonly Item[] {
    const items = this.withoutCut(read);
    if (lost.length === 0) return items;
    const known = new Set(items.flatMap(definedBy));
    const holes = lost.filter(({ image }) => !known.has(image) && known.add(image)).map((word): Let => {
      const name = this.ident(word);
      return { kind: 'let', names: [name], value: this.hole(name.loc.span.end), keyword: true, loc: name.loc };
    });
    return [...items, ...holes].sort((a, b) => a.loc.span.start - b.loc.span.start);
  }

  private readonly item = this.RULE('item', (): Item => this.OR(this.items));

  private readonly items: IOrAlt<Item>[] = [
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
  ];

  private readonly inputItem = this.RULE('inputItem', (): Item => {
    const start = this.start();
    this.CONSUME(Input);
    const name = this.ident(this.CONSUME(Word));
    const shape = this.attempt(() => {
      this.need(Colon, () => this.CONSUME(Colon), LSquare);
      return this.SUBRULE(this.shape);
    }, STARTERS, true);
    const loc = this.placeFrom(start);
    // An input without a shape still has a name, but nothing can be said of its value.
    return shape === undefined ? { kind: 'let', names: [name], value: this.hole(), keyword: true, loc } : { kind: 'input', name, shape, loc };
  });

  private readonly shape = this.RULE('shape', (): readonly NumberLiteral[] => {
    this.CONSUME(LSquare);
    const shape = [this.whole(this.CONSUME(Num))];
    this.MANY(() => {
      this.CONSUME(Comma);
      shape.push(this.whole(this.CONSUME2(Num)));
    });
    this.CONSUME(RSquare);
    return shape;
  });

  private readonly view = this.RULE('view', (): Item => {
    const start = this.start();
    this.CONSUME(View);
    const name = this.ident(this.CONSUME(Word));
    const value = this.definition();
    return { kind: 'view', name, value, loc: this.placeFrom(start) };
  });

  private readonly let = this.RULE('let', (): Let => {
    const start = this.start();
    const names: Ident[] = [];
    const keyword = this.OR<boolean>([
      {
        ALT: () => {
          this.CONSUME(LetWord);
          names.push(this.ident(this.CONSUME(Word)));
          return true;
        },
      },
      {
        ALT: () => {
          names.push(this.ident(this.CONSUME(LetName)));
          return false;
        },
      },
    ]);
    this.MANY(() => {
      this.CONSUME(Comma);
      names.push(this.ident(this.CONSUME2(Word)));
    });
    const value = this.definition();
    return { kind: 'let', names, value, keyword, loc: this.placeFrom(start) };
  });

  private readonly layer = this.RULE('layer', (): Item => {
    const start = this.start();
    this.CONSUME(Layer);
    const name = this.ident(this.CONSUME(Word));
    const value = this.attempt(() => {
      this.CONSUME(Equal);
      return this.SUBRULE(this.call);
    });
    const loc = this.placeFrom(start);
    if (value !== undefined) return { kind: 'layer', name, value, loc };
    const nowhere = this.after();
    return { kind: 'layer', name, value: { kind: 'call', callee: { name: HOLE, loc: nowhere }, args: [], loc: nowhere }, loc };
  });

  private readonly cell = this.RULE('cell', (): CellItem => {
    const start = this.start();
    const body: Let[] = [];
    let result: Expr | undefined;
    this.CONSUME(Cell);
    const name = this.ident(this.CONSUME(Word));
    const params = this.attempt(() => this.SUBRULE(this.params), HEADER);
    this.need(LBrace, () => this.CONSUME(LBrace), LetName, LetWord, Word);
    do {
      this.MANY(() => this.attempt(() => body.push(this.SUBRULE(this.let))));
      const read = this.attempt(() => this.SUBRULE(this.expr));
      result ??= read;
    } while (this.junk(BLOCKS.cell, OUTSIDE_CELL));
    this.close();
    const loc = this.placeFrom(start);
    // Without its parameters nothing can be said of a body.
    if (params === undefined) return { kind: 'cell', name, params: [], body: [], result: this.hole(), loc };
    return { kind: 'cell', name, params, body, result: result ?? this.hole(), loc };
  });

  private readonly params = this.RULE('params', (): readonly Ident[] => {
    this.CONSUME(LParen);
    const params = [this.ident(this.CONSUME(Word))];
    this.need(Comma, () => this.CONSUME(Comma), Word);
    this.AT_LEAST_ONE_SEP({ SEP: Comma, DEF: () => params.push(this.ident(this.CONSUME2(Word))) });
    this.CONSUME(RParen);
    return params;
  });

  private readonly names = this.RULE('names', (): readonly Ident[] => {
    const names: Ident[] = [];
    do {
      names.push(this.ident(this.CONSUME(Word)));
      this.MANY(() => {
        this.CONSUME(Comma);
        names.push(this.ident(this.CONSUME2(Word)));
      });
    } while (this.forgotten(Comma, [Of, From]));
    return names;
  });

  private readonly streams = this.RULE('streams', (): Item => {
    const start = this.start();
    this.CONSUME(Streams);
    const names = this.SUBRULE(this.names);
    this.spell(Of);
    this.need(Of, () => this.CONSUME(Of), Word);
    const cell = this.ident(this.CONSUME(Word));
    const shared = this.shared();
    this.need(LBrace, () => this.CONSUME(LBrace), Init, Step, Repeat);
    const init = this.OPTION2(() => {
      this.CONSUME(Init);
      return this.attempt(() => this.SUBRULE(this.expr)) ?? this.hole();
    });
    const steps = this.steppings();
    this.close();
    return { kind: 'streams', names, cell, shared, ...(init === undefined ? {} : { init }), steps, loc: this.placeFrom(start) };
  });

  private shared(): boolean {
    return this.OPTION(() => this.CONSUME(Shared)) !== undefined;
  }

  private steppings(): readonly Stepping[] {
    const steps: Stepping[] = [];
    do this.MANY(() => this.attempt(() => steps.push(this.OR([{ ALT: () => this.SUBRULE(this.step) }, { ALT: () => this.SUBRULE(this.repeatSteps) }]))));
    while (this.junk(BLOCKS.streams, ITEMS));
    return steps;
  }

  private readonly step = this.RULE('step', (): Stepping => {
    const start = this.start();
    const read: { value?: Expr; route?: StepRoute } = {};
    this.CONSUME(Step);
    this.attempt(() => {
      read.value = this.SUBRULE(this.expr);
      this.need(Colon, () => this.CONSUME(Colon), Straight, Zigzag, LParen);
      read.route = this.SUBRULE(this.route);
    });
    const { value = this.hole(), route = { form: 'straight', loc: this.after() } } = read;
    return { kind: 'step', value, route, loc: this.placeFrom(start) };
  });

  private readonly repeatSteps = this.RULE('repeatSteps', (): Stepping => {
    const start = this.start();
    this.CONSUME(Repeat);
    const count = this.count(() => this.CONSUME(Num), Step, Repeat);
    const body = this.steppings();
    this.close();
    return { kind: 'repeat', count, body, loc: this.placeFrom(start) };
  });

  /** How often, and the brace after it; once without a number. */
  private count(consume: () => IToken, ...inside: readonly TokenType[]): NumberLiteral {
    const count = this.need(Num, () => this.whole(consume()), LBrace);
    const loc = this.after();
    this.need(LBrace, () => this.CONSUME(LBrace), ...inside);
    return count ?? { kind: 'number', value: 1, text: '1', loc };
  }

  private readonly route = this.RULE('route', (): StepRoute => {
    const start = this.start();
    const form = (type: TokenType, route: 'straight' | 'zigzag') => ({
      ALT: (): StepRoute => {
        this.CONSUME(type);
        return { form: route, loc: this.placeFrom(start) };
      },
    });
    this.spell(Straight, Zigzag);
    return this.OR<StepRoute>([
      form(Straight, 'straight'),
      form(Zigzag, 'zigzag'),
      { ALT: () => ({ form: 'arms', arms: this.SUBRULE(this.arms), loc: this.placeFrom(start) }) },
    ]);
  });

  private readonly arms = this.RULE('arms', (): readonly Arm[] => {
    const arms: Arm[] = [];
    this.CONSUME(LParen);
    this.AT_LEAST_ONE_SEP({ SEP: Comma, DEF: () => arms.push(this.SUBRULE(this.arm)) });
    this.CONSUME(RParen);
    return arms;
  });

  private readonly arm = this.RULE('arm', (): Arm => {
    const start = this.start();
    const stream = this.ident(this.CONSUME(Word));
    this.CONSUME(BackArrow);
    const value = this.SUBRULE(this.expr);
    return { stream, value, loc: this.placeFrom(start) };
  });

  private readonly twin = this.RULE('twin', (): Item => {
    const start = this.start();
    const from: Expr[] = [];
    this.CONSUME(Twin);
    const names = this.SUBRULE(this.names);
    this.spell(From);
    this.CONSUME(From);
    this.attempt(() => this.AT_LEAST_ONE_SEP({ SEP: Comma, DEF: () => from.push(this.SUBRULE(this.expr)) }), HEADER);
    this.need(LBrace, () => this.CONSUME(LBrace), Both, Cross, Repeat, StageName);
    const stages = this.stages();
    this.close();
    return { kind: 'twin', names, from, stages, loc: this.placeFrom(start) };
  });

  private stages(): readonly Stage[] {
    const stages: Stage[] = [];
    do this.MANY(() => this.attempt(() => stages.push(this.SUBRULE(this.stage))));
    while (this.junk(BLOCKS.twin, ITEMS));
    return stages;
  }

  private readonly stage = this.RULE('stage', (): Stage => this.OR<Stage>([
    { ALT: () => this.pipe() },
    { ALT: () => this.SUBRULE(this.cross) },
    { ALT: () => this.SUBRULE(this.repeatStages) },
  ]));

  private pipe(): Stage {
    const start = this.start();
    const names: Ident[] = [];
    const streams = this.OR2<'both' | readonly Ident[]>([
      {
        ALT: () => {
          this.CONSUME(Both);
          return 'both';
        },
      },
      {
        ALT: () => {
          this.AT_LEAST_ONE_SEP({ SEP: Comma, DEF: () => names.push(this.ident(this.CONSUME(StageName))) });
          return names;
        },
      },
    ]);
    const pipe = [this.SUBRULE(this.target)];
    this.MANY(() => {
      this.CONSUME(Arrow);
      pipe.push(this.SUBRULE2(this.target));
    });
    const shared = this.shared();
    return { kind: 'pipe', streams, pipe, shared, loc: this.placeFrom(start) };
  }

  private readonly cross = this.RULE('cross', (): Stage => {
    const start = this.start();
    const form = (type: TokenType, cross: 'swap' | 'concat' | 'add' | 'mean') => ({
      ALT: (): Stage => {
        this.CONSUME(type);
        return { kind: 'cross', form: cross, loc: this.placeFrom(start) };
      },
    });
    this.CONSUME(Cross);
    this.spell(Swap, Concat, Add, Mean);
    return this.OR<Stage>([
      form(Swap, 'swap'),
      form(Concat, 'concat'),
      form(Add, 'add'),
      form(Mean, 'mean'),
      { ALT: () => ({ kind: 'cross', form: 'arms', arms: this.SUBRULE(this.arms), loc: this.placeFrom(start) }) },
    ]);
  });

  private readonly repeatStages = this.RULE('repeatStages', (): Stage => {
    const start = this.start();
    this.CONSUME(Repeat);
    const count = this.count(() => this.CONSUME(Num), Both, Cross, Repeat, StageName);
    const body = this.stages();
    this.close();
    return { kind: 'repeat', count, body, loc: this.placeFrom(start) };
  });

  private readonly backward = this.RULE('backward', (): Item => {
    const start = this.start();
    const routes: BackwardBlock['routes'][number][] = [];
    this.CONSUME(Backward);
    this.need(LBrace, () => this.CONSUME(LBrace), Grad);
    do this.MANY(() => this.attempt(() => routes.push(this.SUBRULE(this.gradRoute))));
    while (this.junk(BLOCKS.backward, ITEMS));
    this.close();
    return { kind: 'backward', routes, loc: this.placeFrom(start) };
  });

  private readonly gradRoute = this.RULE('gradRoute', (): BackwardBlock['routes'][number] => {
    const start = this.start();
    this.CONSUME(Grad);
    this.CONSUME(LParen);
    const target = this.ident(this.CONSUME(Word));
    this.CONSUME(RParen);
    const sign = this.OR<IToken>([{ ALT: () => this.CONSUME(Equal) }, { ALT: () => this.CONSUME(PlusEqual) }]);
    const value = this.attempt(() => this.SUBRULE(this.expr)) ?? this.hole();
    return { target, mode: sign.tokenType === PlusEqual ? '+=' : '=', value, loc: this.placeFrom(start) };
  });

  private readonly output = this.RULE('output', (): Item => {
    const start = this.start();
    this.CONSUME(Output);
    const name = this.ident(this.CONSUME(Word));
    const value = this.OPTION(() => this.definition());
    const loc = this.placeFrom(start);
    return value === undefined ? { kind: 'output', name, loc } : { kind: 'output', name, value, loc };
  });

  private readonly loss = this.RULE('loss', (): Item => {
    const start = this.start();
    this.CONSUME(Loss);
    const value = this.attempt(() => this.SUBRULE(this.expr)) ?? this.hole();
    return { kind: 'loss', value, loc: this.placeFrom(start) };
  });

  private readonly train = this.RULE('train', (): Item => {
    const start = this.start();
    const settings: TrainBlock['settings'][number][] = [];
    this.CONSUME(Train);
    this.need(LBrace, () => this.CONSUME(LBrace), Key);
    do this.MANY(() => this.attempt(() => settings.push(this.SUBRULE(this.setting))));
    while (this.junk(BLOCKS.train, ITEMS));
    this.close();
    return { kind: 'train', settings, loc: this.placeFrom(start) };
  });

  /** `batch = 25` and `batch: 25` are read too, and refused: the mistake is a common one. */
  private readonly setting = this.RULE('setting', (): TrainBlock['settings'][number] => {
    const start = this.start();
    const key = this.ident(this.CONSUME(Key));
    const sign = this.OPTION(() => this.OR<IToken>([{ ALT: () => this.CONSUME(Equal) }, { ALT: () => this.CONSUME(Colon) }]));
    const value = this.SUBRULE(this.value);
    if (sign !== undefined) this.wrong(sign, 'a value, as in batch 25');
    return { key, value, loc: this.placeFrom(start) };
  });

  /** The brace that ends a block; without it the block stays, with what was read of it. */
  private close(): void {
    this.attempt(() => this.CONSUME(RBrace));
  }

  /** `= expr`; without a value the names stay known. */
  private definition(): Expr {
    const value = this.attempt(() => {
      this.CONSUME(Equal);
      return this.SUBRULE(this.expr);
    });
    return value ?? this.hole();
  }
}

/** The names that an item defines in its net. */
function definedBy(item: Item): string[] {
  if (item.kind === 'output' && item.value === undefined) return [];
  if ('names' in item) return item.names.map(({ name }) => name);
  return 'name' in item ? [item.name.name] : [];
}
