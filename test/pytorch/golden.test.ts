// What PyTorch files look like: all of case b's, and of each other sample what follows its net. UPDATE=1 rewrites the expected files: read the difference.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EXAMPLES } from '../gradients/examples.ts';
import { example } from '../passes/nets.ts';
import { netOf, textOf } from './harness.ts';
import { SOURCES } from './sources.ts';

const SAMPLES = new URL('../samples/', import.meta.url);
const SETTINGS = /^NET = [\s\S]*?(?=\n\n\n)/m;
const NET = /^# -+\n# The net\.[\s\S]*?(?=\n\n\n# -+\n# Counter-based)/m;
const VIEWS = /^VIEWS = \{[\s\S]*?^\}$/m;

/** The parts of a file that differ between nets. */
const ownParts = (text: string): string => `${[SETTINGS, NET, VIEWS].flatMap((part) => part.exec(text)?.[0] ?? []).join('\n\n\n')}\n`;

describe.each(readdirSync(SAMPLES).sort())('%s', (name) => {
  test('pytorch.py', () => {
    const source = readFileSync(new URL(`${name}/input.zz`, SAMPLES), 'utf8');
    const whole = textOf(netOf(source, /^net (\w+)/m.exec(source)?.[1]));
    const text = name === 'case-b' ? whole : ownParts(whole);
    const file = new URL(`${name}/pytorch.py`, SAMPLES);
    if (process.env['UPDATE'] === '1') writeFileSync(file, text);
    expect(existsSync(file) ? readFileSync(file, 'utf8') : '').toBe(text);
  });
});

const python = ['/usr/bin/python3', 'python3'].find((each) => spawnSync(each, ['--version']).status === 0);

/** Compiles each text, as py_compile does, in the syntax of the oldest Python that PyTorch 1.13 has, and finds names that nothing defines. */
const CHECK = `import ast, builtins, json, symtable, sys

def globals_of(table):
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (not (symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()) if top else symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from globals_of(child)

for name, text in json.load(sys.stdin).items():
    ast.parse(text, feature_version=(3, 8))
    compile(text, name, "exec", dont_inherit=True)
    table = symtable.symtable(text, name, "exec")
    defined = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()}
    unknown = set(globals_of(table)) - defined - set(dir(builtins)) - {"__name__", "__doc__", "__file__"}
    doubled = [node.name for node in ast.parse(text).body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    doubled = {each for each in doubled if doubled.count(each) > 1}
    if unknown or doubled:
        print(name, "undefined:", sorted(unknown), "defined twice:", sorted(doubled))`;

const AUGMENTATIONS = ['hflip', 'crop(pad: 1)', 'blur(sigma: 0.1..1.0)', 'cutout(2)', 'brightness(0.2)', 'noise(0.1)', 'sometimes(0.5, hflip)'];
const augmented = (steps: string): string => `net N { input image: [8, 8, 3]\n view v = image -> ${steps}\n logits = v -> conv(3, init: orthogonal) -> globalavgpool\n output logits\n loss softmax_cross_entropy(logits) }`;
/** Nets with names that the file, or Python, has for other things. */
const NAMES = ['draw', 'readings', 'max', 'lambda', 'torch', 'Score', 'CLASSES', 'read_cifar10', 'make_net'];
const named = (name: string): string => `net ${name} { input image: [8, 8, 3]
  layer self = conv(3)
  cell Net(x, h) { relu(x -> self + h) }
  streams A, B of Net { step image: straight }
  logits = concat(A, B, image -> self) -> globalavgpool
  output logits
  loss softmax_cross_entropy(logits) }`;

describe.skipIf(python === undefined)(`syntax${python === undefined ? ' (skipped: there is no python3)' : ''}`, () => {
  test('every file is Python 3.8, and defines each of its names once', () => {
    const examples = EXAMPLES.map((name) => {
      const [file = '', net = ''] = name.split(':');
      return [name, textOf(netOf(example(file), net === '' ? undefined : net))] as const;
    });
    const sources = Object.entries(SOURCES).map(([name, source]) => [name, textOf(netOf(source, 'N'))] as const);
    const others = [...AUGMENTATIONS.map((steps) => [steps, augmented(steps)] as const), ...NAMES.map((name) => [name, named(name)] as const)].map(([name, source]) => [name, textOf(netOf(source))] as const);
    const { stdout, stderr } = spawnSync(python ?? '', ['-c', CHECK], { input: JSON.stringify(Object.fromEntries([...examples, ...sources, ...others])), encoding: 'utf8' });
    expect(stdout + stderr).toBe('');
  });
});
