// Lays out documents on lines of a given width: text, places where a line may break, groups that break together or not at all (Wadler,
// "A prettier printer", 2003), breaks that happen only where the next part does not fit, and comments, which always end their line.

export type Doc = string | readonly Doc[] | Break | Indent | Group | Comment | Later;

interface Break {
  readonly kind: 'break';
  /** What stands there if the group does not break. A hard break has none. */
  readonly flat?: string;
  /** In a group that breaks, this break does only if this part does not fit on the line. */
  readonly until?: Doc;
}
interface Indent {
  readonly kind: 'indent';
  readonly doc: Doc;
}
interface Group {
  readonly kind: 'group';
  readonly doc: Doc;
  readonly forced: boolean;
}
interface Comment {
  readonly kind: 'comment';
  readonly text: string;
  /** Alone on its line, not after something else. */
  readonly own: boolean;
}

/** Made when its turn comes, so that a long text is never a document as a whole. It stands after a hard break, and nothing looks beyond that. */
interface Later {
  readonly kind: 'later';
  readonly doc: () => Doc;
}

/** A space or a new line. */
export const line: Doc = { kind: 'break', flat: ' ' };
/** Nothing or a new line. */
export const softline: Doc = { kind: 'break', flat: '' };
/** Two spaces, between statements on one line, or a new line. */
export const wide: Doc = { kind: 'break', flat: '  ' };
export const hardline: Doc = { kind: 'break' };
/** A space before a part, or a new line if the part does not fit. */
export const before = (part: Doc): Doc => [{ kind: 'break', flat: ' ', until: part }, part];
export const indent = (...doc: readonly Doc[]): Doc => ({ kind: 'indent', doc });
/** Breaks where it does not fit on a line, or holds a hard break or a comment. */
export const group = (...doc: readonly Doc[]): Doc => ({ kind: 'group', doc, forced: isForced(doc) });
export const broken = (...doc: readonly Doc[]): Doc => ({ kind: 'group', doc, forced: true });
export const comment = (text: string, own: boolean): Doc => ({ kind: 'comment', text, own });
export const later = (doc: () => Doc): Doc => ({ kind: 'later', doc });

function isForced(doc: Doc): boolean {
  if (typeof doc === 'string') return false;
  if (isList(doc)) return doc.some(isForced);
  if (doc.kind === 'indent') return isForced(doc.doc);
  return doc.kind === 'comment' || doc.kind === 'later' || (doc.kind === 'group' ? doc.forced : doc.flat === undefined);
}

const isList = (doc: Doc): doc is readonly Doc[] => Array.isArray(doc);

/** Parts that are still to be laid out, the next one last, each with its depth and whether its group stays on one line. In three lists, as a part has many parts. */
interface Stack {
  readonly docs: Doc[];
  readonly depths: number[];
  readonly flats: boolean[];
}

/** The text of a document, without spaces at line ends. Two spaces a level of indentation. */
export function layout(doc: Doc, width: number): string {
  const out: string[] = [];
  const todo: Stack = { docs: [doc], depths: [0], flats: [false] };
  let column = 0;
  /** At the beginning of a line, and nothing written. */
  let fresh = true;
  /** A comment has been written: the line is over. */
  let over = false;

  /** Takes spaces back from the end of the line. */
  const trim = (): void => {
    out.push((out.pop() ?? '').replace(/ +$/, ''));
  };
  const newline = (depth: number): void => {
    trim();
    out.push('\n');
    [fresh, over, column] = [true, false, depth * 2];
  };
  const write = (text: string, depth: number): void => {
    if (over && text !== '') newline(depth);
    const shown = fresh ? text.trimStart() : text;
    if (shown === '') return;
    if (fresh) out.push(' '.repeat((column = depth * 2)));
    out.push(shown);
    column += shown.length;
    fresh = false;
  };

  const push = (part: Doc, depth: number, flat: boolean): void => {
    todo.docs.push(part);
    todo.depths.push(depth);
    todo.flats.push(flat);
  };

  for (let part = todo.docs.pop(); part !== undefined; part = todo.docs.pop()) {
    const depth = todo.depths.pop() ?? 0;
    const flat = todo.flats.pop() ?? false;
    if (typeof part === 'string') write(part, depth);
    else if (isList(part)) {
      for (let i = part.length - 1; i >= 0; i--) if (part[i] !== '') push(part[i] ?? '', depth, flat);
    } else if (part.kind === 'later') push(part.doc(), depth, flat);
    else if (part.kind === 'indent') push(part.doc, depth + 1, flat);
    else if (part.kind === 'group') push(part.doc, depth, flat || (!part.forced && fits(part.doc, todo, todo.docs.length, width - column)));
    else if (part.kind === 'break') {
      // The part itself is what comes next: it is not to be counted twice.
      const stays = part.flat !== undefined && (flat || (part.until !== undefined && !over && fits([part.flat, part.until], todo, todo.docs.length - 1, width - column)));
      if (stays) write(part.flat ?? '', depth);
      else newline(depth);
    } else {
      if (!fresh && (part.own || over)) newline(depth);
      trim();
      write(fresh ? part.text : ` ${part.text}`, depth);
      over = true;
    }
  }
  return out.join('');
}

/** Whether a part, on one line, and what follows it up to the next place to break, fits into the room. The last of the first `count` parts of the rest follows. */
function fits(doc: Doc, rest: Stack, count: number, room: number): boolean {
  const todo: Doc[] = [doc];
  let [next, flat] = [count, true];
  for (let left = room; left >= 0; ) {
    let part = todo.pop();
    if (part === undefined) {
      part = rest.docs[--next];
      if (part === undefined) return true;
      flat = rest.flats[next] ?? false;
    }
    if (typeof part === 'string') left -= part.length;
    else if (isList(part)) for (let i = part.length - 1; i >= 0; i--) todo.push(part[i] ?? '');
    else if (part.kind === 'indent' || part.kind === 'group') todo.push(part.doc);
    else if (part.kind === 'comment' || part.kind === 'later' || !flat || part.flat === undefined) return true;
    else left -= part.flat.length;
  }
  return false;
}
