// Values as TypeScript source: on one line where that is short enough, one element a line otherwise.

/** Source text that stands for itself in a literal: a constant's name. */
export interface Raw {
  readonly raw: string;
}

export const raw = (text: string): Raw => ({ raw: text });
const isRaw = (value: object): value is Raw => 'raw' in value && Object.keys(value).length === 1;

const WIDTH = 160;

/** The value as an expression that evaluates to one with the same JSON; `indent` is how far the line that it ends is indented. */
export function literal(value: unknown, indent = 0): string {
  const line = oneLine(value);
  if (line.length + indent <= WIDTH || typeof value !== 'object' || value === null || isRaw(value)) return line;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const parts = Array.isArray(value) ? value.map((item) => literal(item, indent + 2)) : fields(value).map(([key, item]) => `${propertyName(key)}: ${literal(item, indent + 2)}`);
  const margin = ' '.repeat(indent);
  return `${open}\n${parts.map((part) => `${margin}  ${part},\n`).join('')}${margin}${close}`;
}

function oneLine(value: unknown): string {
  if (typeof value === 'string') return value.includes('\n') ? template(value) : quoted(value);
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : String(value);
  if (isRaw(value)) return value.raw;
  if (Array.isArray(value)) return `[${value.map(oneLine).join(', ')}]`;
  const entries = fields(value).map(([key, item]) => `${propertyName(key)}: ${oneLine(item)}`);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

const fields = (value: object): [string, unknown][] => Object.entries(value).filter(([, item]) => item !== undefined);

export const propertyName = (key: string): string => (/^[A-Za-z_$][\w$]*$/.test(key) && key !== '__proto__' ? key : key === '__proto__' ? `['__proto__']` : quoted(key));

/** A string in single quotes. Line separators, control characters and what would end a script in a page are escaped. */
export const quoted = (text: string): string =>
  `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'").replaceAll(/[\u007f-\u009f\u2028\u2029]/g, escaped).replaceAll(/<(?=[/!])/g, '\\u003c')}'`;

/** A text of several lines as a template string, as it stands. */
export const template = (text: string): string => `\`${text.replaceAll(/[`\\]|\$(?=\{)|<(?=[/!])/g, (sign) => (sign === '<' ? '\\u003c' : `\\${sign}`)).replaceAll(/[\r\u2028\u2029]/g, escaped)}\``;

const escaped = (sign: string): string => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`;
