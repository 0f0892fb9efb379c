// The frame of a page: navigation, search, content, the headings of the page, the pages before and after.

import { escapeHtml } from './highlight.ts';
import type { Rendered } from './markdown.ts';

export interface Linked {
  readonly href: string;
  readonly title: string;
}

const link = ({ href, title }: Linked, current?: string): string => `<a href="${href}"${href === current ? ' aria-current="page"' : ''}>${escapeHtml(title)}</a>`;

export function pageHtml({ title, html, sections }: Rendered, href: string, pages: readonly Linked[]): string {
  const at = pages.findIndex((page) => page.href === href);
  const [before, after] = [pages[at - 1], pages[at + 1]];
  const headings = sections.map(({ heading }) => heading).filter(({ level }) => level === 2);
  const here = headings.length < 3 ? '' : `<nav class="here" aria-label="On this page"><b>On this page</b><ul>${headings.map(({ text, anchor }) => `<li><a href="#${anchor}">${escapeHtml(text)}</a></li>`).join('')}</ul></nav>`;
  const all = `<ul>${pages.map((page) => `<li>${link(page, href)}</li>`).join('')}</ul>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title === 'ZigZag' ? title : `${title} · ZigZag`)}</title>
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="style.css">
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header>
<a class="home" href="index.html"><img src="icon.svg" alt="" width="28" height="28">ZigZag</a>
<div class="search"><input id="search" type="search" placeholder="Search  /" aria-label="Search" aria-controls="found" aria-expanded="false" autocomplete="off"><ul id="found" hidden></ul></div>
</header>
<div class="columns">
<nav class="pages" aria-label="Pages">${all}</nav>
<details class="pages"><summary>Pages</summary>${all}</details>
<main id="content">
${html}
<footer>${before ? `<span>← ${link(before)}</span>` : '<span></span>'}${after ? `<span>${link(after)} →</span>` : ''}</footer>
</main>
${here}
</div>
<script src="site.js" defer></script>
</body>
</html>
`;
}
