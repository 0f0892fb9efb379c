// Markdown as the pages use it: generated regions, fenced blocks and tables.

/** The text between `<!-- generated: name -->` and `<!-- end -->` is written by the generator of that name. */
const REGION = /(<!-- generated: ([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g;

export const regionNames = (page: string): string[] => [...page.matchAll(REGION)].map(([, , name]) => name ?? '');

/** The page with every region written anew. */
export const withRegions = (page: string, texts: ReadonlyMap<string, string>): string =>
  page.replace(REGION, (_, open: string, name: string, close: string) => `${open}\n${texts.get(name) ?? ''}\n\n${close}`);

export interface Block {
  /** The word after the backquotes. */
  readonly language: string;
  readonly text: string;
  /** The line of the first line of text, from 1. */
  readonly line: number;
}

/** The fenced blocks of a page, those of generated regions left out. */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  const own = page.replace(REGION, (region) => region.replace(/[^\n]/g, ''));
  let open: { readonly language: string; readonly fence: string; readonly line: number } | undefined;
  let lines: string[] = [];
  for (const [i, line] of own.split('\n').entries()) {
    const [, fence = '', language = ''] = /^(`{3,})(\S*)/.exec(line) ?? [];
    if (open && line === open.fence) {
      blocks.push({ language: open.language, text: `${lines.join('\n')}\n`, line: open.line });
      open = undefined;
    } else if (open) lines.push(line);
    else if (fence !== '') {
      open = { language, fence, line: i + 2 };
      lines = [];
    }
  }
  return blocks;
}

/** A fenced block whose fence is longer than any in the text. */
export function fenced(language: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text.replace(/\n$/, '')}\n${fence}`;
}

export const code = (text: string): string => (text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``);

/** A table; bars in cells are escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
