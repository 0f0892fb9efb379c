// The little Markdown that the language service writes, as elements: paragraphs, lists, code. Text stays text, whatever it holds.

const element = <K extends keyof HTMLElementTagNameMap>(name: K, ...children: readonly (Node | string)[]): HTMLElementTagNameMap[K] => {
  const made = document.createElement(name);
  made.append(...children);
  return made;
};

/** Text with `code` in it. */
const inline = (text: string): (Node | string)[] => text.split(/`([^`\n]+)`/).map((part, i) => (i % 2 === 1 ? element('code', part) : part));

function block(text: string): HTMLElement {
  const lines = text.split('\n');
  if (lines.every((line) => line.startsWith('- '))) return element('ul', ...lines.map((line) => element('li', ...inline(line.slice(2)))));
  return element('p', ...inline(text));
}

export function renderMarkdown(text: string): HTMLElement {
  const blocks = text.split(/^```\w*\n([\s\S]*?)\n```$/m).flatMap((part, i) => {
    if (i % 2 === 1) return [element('pre', part)];
    return part.split(/\n{2,}/).map((each) => each.trim()).filter((each) => each !== '').map(block);
  });
  const made = element('div', ...blocks);
  made.className = 'markdown';
  return made;
}
