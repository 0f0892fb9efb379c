// Markdown pages as HTML: headings with anchors, links between pages, coloured code. What a page says of itself for the search.

import MarkdownIt from 'markdown-it';
import { escapeHtml, highlight } from './highlight.ts';

/** A heading's anchor, as GitHub makes it. */
export const anchorOf = (heading: string): string => heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');

export interface Heading {
  readonly level: number;
  readonly text: string;
  readonly anchor: string;
}

/** A part of a page under one heading, as plain text. */
export interface Section {
  readonly heading: Heading;
  readonly text: string;
}

export interface Rendered {
  readonly title: string;
  readonly html: string;
  readonly sections: readonly Section[];
}

/** Where a link of a page leads on the site; nothing for what the site does not have. */
export type LinkTo = (target: string) => string | undefined;

/** Renders a page. Links to what the site does not have become plain text. */
export function renderMarkdown(text: string, linkTo: LinkTo): Rendered {
  const markdown = new MarkdownIt({ html: true });
  const { rules } = markdown.renderer;
  rules['fence'] = (tokens, i) => {
    const { content = '', info = '' } = tokens[i] ?? {};
    return `<pre tabindex="0"><code class="language-${escapeHtml(info.trim() || 'text')}">${highlight(content, info.trim())}</code></pre>\n`;
  };
  rules['table_open'] = () => '<div class="table" tabindex="0"><table>\n';
  rules['table_close'] = () => '</table></div>\n';
  const tokens = markdown.parse(text, {});
  const sections: { heading: Heading; text: string }[] = [];
  tokens.forEach((token, i) => {
    if (token.type === 'heading_open') {
      const words = plain(tokens[i + 1]?.children ?? []);
      const heading = { level: Number(token.tag.slice(1)), text: words, anchor: anchorOf(words) };
      token.attrSet('id', heading.anchor);
      sections.push({ heading, text: '' });
    }
    for (const child of token.children ?? []) {
      if (child.type === 'link_open') {
        const target = linkTo(String(child.attrGet('href') ?? ''));
        if (target === undefined) child.attrSet('href', '');
        else child.attrSet('href', target);
      }
      if (child.type === 'image') child.attrSet('src', linkTo(String(child.attrGet('src') ?? '')) ?? '');
    }
    const section = sections.at(-1);
    if (section && (token.type === 'inline' || token.type === 'fence') && tokens[i - 1]?.type !== 'heading_open') section.text += ` ${token.type === 'fence' ? token.content : plain(token.children ?? [])}`;
  });
  const html = markdown.renderer.render(tokens, markdown.options, {}).replace(/<a href="">([\s\S]*?)<\/a>/g, '$1');
  return { title: sections[0]?.heading.text ?? '', html, sections: sections.map(({ heading, text: words }) => ({ heading, text: words.replace(/\s+/g, ' ').trim() })) };
}

interface Inline {
  readonly type: string;
  readonly content: string;
}

const plain = (tokens: readonly Inline[]): string => tokens.map(({ type, content }) => (type === 'softbreak' || type === 'hardbreak' ? ' ' : type === 'html_inline' ? ' ' : content)).join('');
