// Pieces of HTML. Text is escaped unless it is marked as HTML already.

/** HTML that needs no escaping. */
export interface Html {
  readonly html: string;
}

export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');

type Part = Html | string | number | readonly Html[];

const write = (part: Part): string => {
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  return 'html' in part ? part.html : part.map(({ html }) => html).join('');
};

/** A template of HTML: what is put into it is escaped, but for HTML. */
export const html = (strings: TemplateStringsArray, ...parts: readonly Part[]): Html => ({
  html: strings.reduce((text, string, i) => `${text}${write(parts[i - 1] ?? '')}${string}`),
});

export const NOTHING: Html = { html: '' };

/** A table in a frame that scrolls by itself; the first column holds names. Without names of columns it is a list of facts. */
export function htmlTable(head: readonly string[], rows: readonly (readonly (string | Html)[])[]): Html {
  const cell = (value: string | Html, i: number): Html => (i === 0 ? html`<th scope="row">${value}</th>` : html`<td>${value}</td>`);
  return html`<div class="scroll"><table class="${head.length === 0 ? 'facts' : 'numbers'}">${head.length === 0 ? NOTHING : html`<thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>`}<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>`)}</tbody></table></div>`;
}
