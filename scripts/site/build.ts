// The documentation as a static site: the pages of docs/, the README, the examples. It needs no network, and can be opened from the disk.

import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { build } from 'vite';
import { examplesPage } from './examples.ts';
import { renderMarkdown, type LinkTo, type Rendered } from './markdown.ts';
import { pageHtml, type Linked } from './page.ts';
import type { Entry } from './search.ts';

/** A page before it has a frame. */
interface Source {
  readonly href: string;
  /** Its place in the repository, from which its links go. */
  readonly path: string;
  readonly text: string;
}

const hrefOf = (path: string): string => (path === 'README.md' ? 'index.html' : path === 'docs/README.md' ? 'pages.html' : `${basename(path, '.md')}.html`);

/** What a page links to, from the pages that there are. Files of the repository that are no pages are not part of the site. */
const linksFrom = (path: string, pages: ReadonlySet<string>): LinkTo => (target) => {
  if (/^[a-z]+:/.test(target) || target.startsWith('#')) return target;
  const [file = '', anchor] = target.split('#');
  const found = posix.join(dirname(path), file);
  const hash = anchor === undefined ? '' : `#${anchor}`;
  if (pages.has(found)) return hrefOf(found) + hash;
  if (found.startsWith('docs/pictures/')) return found.slice('docs/'.length);
  const example = /^dsl-examples\/([\w-]+\.zz)$/.exec(found)?.[1];
  if (example !== undefined) return `examples.html#${example.replace('.', '')}`;
  return found === 'dsl-examples' ? 'examples.html' : found.startsWith('pictures/') ? found : undefined;
};

/** The pages in the order in which docs/README.md lists them, that page itself before them; what it does not list comes last. */
function sourcesOf(root: string): Source[] {
  const read = (path: string): Source => ({ href: hrefOf(path), path, text: readFileSync(join(root, path), 'utf8') });
  const overview = read('docs/README.md');
  const listed = [...overview.text.matchAll(/\]\((\w+)\.md\)/g)].map(([, name = '']) => `docs/${name}.md`);
  const all = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md') && name !== 'README.md').sort().map((name) => `docs/${name}`);
  return [read('README.md'), overview, ...[...new Set([...listed, ...all])].map(read)];
}

/** Builds the site into a folder, which is replaced as a whole once all of it is made. Gives the names of its pages. */
export async function buildSite(root: string, out: string): Promise<string[]> {
  const next = `${out}.next`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(join(next, 'pictures'), { recursive: true });
  const { markdown, pictures } = examplesPage(join(root, 'dsl-examples'));
  const sources = [...sourcesOf(root), { href: 'examples.html', path: 'examples.md', text: markdown }];
  const known = new Set(sources.map(({ path }) => path));
  const rendered = sources.map(({ href, path, text }) => ({ href, page: renderMarkdown(text, linksFrom(path, known)) }));
  const pages: Linked[] = rendered.map(({ href, page }) => ({ href, title: page.title === 'Documentation' ? 'All pages' : page.title }));
  for (const { href, page } of rendered) writeFileSync(join(next, href), pageHtml(page, href, pages));
  for (const [name, svg] of pictures) writeFileSync(join(next, 'pictures', name), svg);
  cpSync(join(root, 'docs/pictures'), join(next, 'pictures'), { recursive: true });
  cpSync(join(root, 'editor/vscode/icon.svg'), join(next, 'icon.svg'));
  cpSync(join(root, 'scripts/site/style.css'), join(next, 'style.css'));
  writeFileSync(join(next, 'search-index.js'), `zigzagIndex(${JSON.stringify(rendered.flatMap(({ href, page }) => entriesOf(href, page)))});\n`);
  await bundleClient(root, next);
  rmSync(out, { recursive: true, force: true });
  renameSync(next, out);
  return pages.map(({ href }) => href);
}

const entriesOf = (href: string, { title, sections }: Rendered): Entry[] =>
  sections.map(({ heading, text }) => ({ href: heading.level === 1 ? href : `${href}#${heading.anchor}`, page: title, heading: heading.text, text }));

async function bundleClient(root: string, folder: string): Promise<void> {
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    build: { outDir: folder, emptyOutDir: false, reportCompressedSize: false, lib: { entry: join(root, 'scripts/site/client.ts'), formats: ['iife'], name: 'zigzagSite', fileName: () => 'site.js' } },
  });
}
