// Integer arithmetic on index variables: a sum of terms with floor division and remainder as atoms, kept simplified by what is known of the ranges.

/** An index variable: it takes the values 0..extent-1. */
export interface Var {
  readonly name: string;
  readonly extent: number;
}

export type Atom =
  | { readonly kind: 'var'; readonly variable: Var }
  /** Floor division and its remainder, by a positive constant. */
  | { readonly kind: 'div' | 'mod'; readonly of: Index; readonly by: number };

export interface Term {
  readonly factor: number;
  readonly atom: Atom;
}

/** `factor * atom + … + offset`; no two terms have the same atom and no factor is 0. */
export interface Index {
  readonly terms: readonly Term[];
  readonly offset: number;
}

export const int = (value: number): Index => ({ terms: [], offset: value });

/** The variable's value; a variable with one value is 0. */
export const use = (variable: Var): Index => (variable.extent === 1 ? int(0) : ofAtom({ kind: 'var', variable }));

export const plus = (...parts: readonly Index[]): Index =>
  combine(parts.flatMap((part) => part.terms), parts.reduce((sum, part) => sum + part.offset, 0));

export const times = (index: Index, factor: number): Index =>
  factor === 0 ? int(0) : { terms: index.terms.map((term) => ({ ...term, factor: term.factor * factor })), offset: index.offset * factor };

export const minus = (a: Index, b: Index): Index => plus(a, times(b, -1));

/** floor(index / by). Parts that `by` divides leave the division, a rest within 0..by-1 vanishes, and so does one below a factor of all else: (4a + b) / 12 = a / 3 for b < 4. */
export function quotient(index: Index, by: number): Index {
  const { whole, rest } = split(index, by);
  if (within(rest, 0, by)) return whole;
  const coarse = withoutFine(rest, by);
  if (coarse) return plus(whole, quotient(coarse.units, by / coarse.unit));
  const only = rest.terms[0];
  const nested = rest.terms.length === 1 && rest.offset === 0 && only?.factor === 1 && only.atom.kind === 'div' ? only.atom : undefined;
  return plus(whole, nested ? quotient(nested.of, nested.by * by) : ofAtom({ kind: 'div', of: rest, by }));
}

/** index - by * floor(index / by). */
export function remainder(index: Index, by: number): Index {
  const { rest } = split(index, by);
  if (within(rest, 0, by)) return rest;
  const coarse = withoutFine(rest, by);
  return coarse ? plus(times(remainder(coarse.units, by / coarse.unit), coarse.unit), coarse.fine) : ofAtom({ kind: 'mod', of: rest, by });
}

/** The least and the greatest value the index can take (a safe bound where terms depend on each other). */
export function bounds(index: Index): readonly [least: number, greatest: number] {
  return index.terms.reduce<readonly [number, number]>(
    ([least, greatest], { factor, atom }) => {
      const [low, high] = atomBounds(atom);
      return factor > 0 ? [least + factor * low, greatest + factor * high] : [least + factor * high, greatest + factor * low];
    },
    [index.offset, index.offset],
  );
}

/** Whether the index is known to be from `low` up to but not including `high`. */
export const within = (index: Index, low: number, high: number): boolean => {
  const [least, greatest] = bounds(index);
  return least >= low && greatest < high;
};

/** How far the index moves when the variable grows by 1, or undefined where that is not constant. */
export function strideOf(index: Index, variable: Var): number | undefined {
  let stride = 0;
  for (const { factor, atom } of index.terms) {
    if (atom.kind !== 'var') {
      if (mentions(atom.of, variable)) return undefined;
    } else if (atom.variable.name === variable.name) stride += factor;
  }
  return stride;
}

export const mentions = (index: Index, variable: Var): boolean =>
  index.terms.some(({ atom }) => (atom.kind === 'var' ? atom.variable.name === variable.name : mentions(atom.of, variable)));

/** The index with variables replaced by name, simplified anew. */
export const replace = (index: Index, by: ReadonlyMap<string, Index>): Index =>
  plus(
    int(index.offset),
    ...index.terms.map(({ factor, atom }) => {
      if (atom.kind === 'var') return times(by.get(atom.variable.name) ?? use(atom.variable), factor);
      const of = replace(atom.of, by);
      return times(atom.kind === 'div' ? quotient(of, atom.by) : remainder(of, atom.by), factor);
    }),
  );

/** Readable text, the same for equal indices: `4*i + j / 3 - 1`. */
export function showIndex(index: Index): string {
  const parts = index.terms.map(({ factor, atom }) => {
    const size = Math.abs(factor);
    return { negative: factor < 0, text: size === 1 ? showAtom(atom) : `${size}*${showAtom(atom)}` };
  });
  if (index.offset !== 0 || parts.length === 0) parts.push({ negative: index.offset < 0, text: String(Math.abs(index.offset)) });
  return parts.map(({ negative, text }, i) => (i === 0 ? (negative ? '-' : '') : negative ? ' - ' : ' + ') + text).join('');
}

const showAtom = (atom: Atom): string => (atom.kind === 'var' ? atom.variable.name : `(${showIndex(atom.of)} ${atom.kind} ${atom.by})`);

const ofAtom = (atom: Atom): Index => ({ terms: [{ factor: 1, atom }], offset: 0 });

function atomBounds(atom: Atom): readonly [number, number] {
  if (atom.kind === 'var') return [0, atom.variable.extent - 1];
  if (atom.kind === 'mod') return [0, atom.by - 1];
  const [least, greatest] = bounds(atom.of);
  return [Math.floor(least / atom.by), Math.floor(greatest / atom.by)];
}

/** index = by * whole + rest, with as much in `whole` as can be seen. */
function split(index: Index, by: number): { whole: Index; rest: Index } {
  const divides = (term: Term): boolean => term.factor % by === 0;
  const whole = index.terms.filter(divides).map((term) => ({ ...term, factor: term.factor / by }));
  const rest = index.terms.filter((term) => !divides(term));
  if (within({ terms: rest, offset: index.offset }, 0, by)) return { whole: { terms: whole, offset: 0 }, rest: { terms: rest, offset: index.offset } };
  const offset = Math.floor(index.offset / by);
  return { whole: { terms: whole, offset }, rest: { terms: rest, offset: index.offset - offset * by } };
}

/** index = unit * units + fine with `fine` within 0..unit-1, for the largest divisor of `by` above 1 that allows it. */
function withoutFine({ terms, offset }: Index, by: number): { unit: number; units: Index; fine: Index } | undefined {
  const candidates = [...new Set(terms.map(({ factor }) => gcd(factor, by)))].filter((unit) => unit > 1).sort((a, b) => b - a);
  for (const unit of candidates) {
    const isCoarse = ({ factor }: Term): boolean => factor % unit === 0;
    const whole = Math.floor(offset / unit);
    const fine: Index = { terms: terms.filter((term) => !isCoarse(term)), offset: offset - whole * unit };
    const units: Index = { terms: terms.filter(isCoarse).map((term) => ({ ...term, factor: term.factor / unit })), offset: whole };
    if (within(fine, 0, unit)) return { unit, units, fine };
  }
  return undefined;
}

const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

/** Adds up equal atoms, joins `by * (x div by) + x mod by` to x, and sorts: large strides first. */
function combine(terms: readonly Term[], offset: number): Index {
  const byText = new Map<string, Term>();
  for (const term of terms) {
    const text = showAtom(term.atom);
    const factor = term.factor + (byText.get(text)?.factor ?? 0);
    if (factor === 0) byText.delete(text);
    else byText.set(text, { factor, atom: term.atom });
  }
  for (const [text, { factor, atom }] of byText) {
    if (atom.kind !== 'mod') continue;
    const [whole] = quotient(atom.of, atom.by).terms;
    const wholeText = whole && showAtom(whole.atom);
    if (wholeText === undefined || byText.get(wholeText)?.factor !== factor * atom.by) continue;
    const others = [...byText].filter(([other]) => other !== text && other !== wholeText).map(([, term]) => term);
    const joined = times(atom.of, factor);
    return combine([...others, ...joined.terms], offset + joined.offset);
  }
  const sorted = [...byText].sort(([a, x], [b, y]) => Math.abs(y.factor) - Math.abs(x.factor) || (a < b ? -1 : 1));
  return { terms: sorted.map(([, term]) => term), offset };
}
