// A compiled net as one TypeScript module: its types and functions first, the artefact's constants after them.

import { IndentationText, Project, QuoteKind, ts, VariableDeclarationKind, type InterfaceDeclarationStructure, type MethodSignatureStructure, type OptionalKind, type SourceFile } from 'ts-morph';
import type { Artefact, ProgramSet } from '../artefact.ts';
import { constantsOf, type Constant, type Listings } from './constants.ts';
import { literal, propertyName, quoted } from './literal.ts';

export interface ModuleOptions {
  /** The .zz file, as its author named it. */
  readonly source: string;
  /** The kernels of each program of the wasm backend, as text. */
  readonly listings: Listings;
  /** The name of a file of trained weights beside the module. */
  readonly weights?: string;
}

const RUNTIME = 'zigzag-nn/runtime';

/** The module's text, formatted. It imports the runtime alone. */
export function emitTypeScript(artefact: Artefact, options: ModuleOptions): string {
  const { head, api, constants } = partsOf(artefact, options);
  return whole(head, api, constants.map(({ name, type, value, comment }) => `${commented(comment)}const ${name}${type === undefined ? '' : `: ${type}`} = ${value};\n`));
}

/** The same module as JavaScript, and its declarations. */
export function emitJavaScript(artefact: Artefact, options: ModuleOptions): { readonly script: string; readonly declarations: string } {
  const { head, api, constants } = partsOf(artefact, options);
  const compilerOptions: ts.CompilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, strict: true, verbatimModuleSyntax: true };
  const script = ts.transpileModule(api, { fileName: 'model.ts', compilerOptions }).outputText;
  const declarations = ts.transpileDeclaration(api, { fileName: 'model.ts', compilerOptions: { ...compilerOptions, declaration: true, isolatedDeclarations: true } }).outputText;
  return {
    script: whole(head, formatted('model.js', script), scriptConstants(constants)),
    declarations: `${head}\n${formatted('model.d.ts', declarations)}`,
  };
}

/** The constants alone, as JavaScript. */
export const emitConstants = (artefact: Artefact, listings: Listings): string => scriptConstants(constantsOf(artefact, listings)).join('\n');

const scriptConstants = (constants: readonly Constant[]): string[] => constants.map(({ name, value, comment }) => `${commented(comment)}const ${name} = ${value};\n`);

const whole = (head: string, api: string, constants: readonly string[]): string => `${head}\n${api}\n// What was compiled. Names with a % in the listings are those of the buffers.\n\n${constants.join('\n')}`;

/** What stands above the imports, the types and functions, and the constants. These are written as they are to be read: formatting would go through each shader. */
function partsOf(artefact: Artefact, options: ModuleOptions): { readonly head: string; readonly api: string; readonly constants: readonly Constant[] } {
  const facts = factsOf(artefact, options);
  const constants = constantsOf(artefact, options.listings);
  const file = sourceFile('model.ts', '');
  addImports(file, facts, constants.flatMap(({ type }) => type?.match(/\w+/g) ?? []));
  addData(file, facts);
  addTypes(file, facts);
  addFunctions(file, facts);
  return { head: heading(facts), api: formatted('model.ts', file.getFullText()), constants };
}

const sourceFile = (name: string, text: string): SourceFile =>
  new Project({ useInMemoryFileSystem: true, manipulationSettings: { indentationText: IndentationText.TwoSpaces, quoteKind: QuoteKind.Single } }).createSourceFile(name, text);

/** The text in the manner of the repository, with a blank line before every declaration. */
function formatted(name: string, text: string): string {
  const file = sourceFile(name, text);
  file.formatText({ semicolons: ts.SemicolonPreference.Insert, indentSize: 2 });
  return file.getFullText().replaceAll(/\n+(?=\/\*\*|export |interface )/g, '\n\n').replaceAll(/\*\/\n\n(?=export |interface )/g, '*/\n');
}

/** What the module says of the net, in the words of the language. */
interface Facts {
  readonly net: string;
  readonly zigzag: string;
  readonly source: string;
  readonly weights: string | undefined;
  readonly backends: readonly string[];
  readonly image: readonly number[];
  readonly outputs: readonly (readonly [name: string, shape: readonly number[]])[];
  readonly classes: readonly string[];
  readonly classifies: boolean;
  /** Images of a training step; absent where the net has no loss. */
  readonly batch: number | undefined;
  readonly labelled: boolean;
  /** The batches that predictions may be computed in. */
  readonly sizes: readonly number[];
  readonly scheduled: boolean;
  readonly normalize: Artefact['settings']['normalize'];
  readonly epochs: number;
  readonly seed: number;
}

function factsOf({ net, zigzag, backends, image, outputs, classes, settings }: Artefact, { source, weights }: ModuleOptions): Facts {
  const [first] = Object.values(backends);
  if (!first) throw new RangeError('an artefact has at least one backend');
  const { train, predict, one } = first.programs as ProgramSet<unknown>;
  const has = (test: (role: { readonly kind: string; readonly name?: unknown }) => boolean): boolean => train?.buffers.some(({ role }) => test(role)) ?? false;
  return {
    net, zigzag, source, image, classes, weights,
    normalize: settings.normalize,
    epochs: settings.epochs,
    seed: settings.seed,
    backends: Object.keys(backends),
    outputs: Object.entries(outputs),
    classifies: predict.logits !== undefined,
    batch: train?.batch,
    labelled: has(({ kind }) => kind === 'labels'),
    sizes: [...(one ? [one.batch] : []), predict.batch],
    scheduled: has(({ kind, name }) => kind === 'scalar' && name !== 'step'),
  };
}

const commented = (comment: string): string => (comment === '' ? '' : comment.trimEnd().split('\n').map((line) => `// ${line}`.trimEnd()).join('\n') + '\n');
const list = (words: readonly string[]): string => (words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`);
const tuple = (shape: readonly (number | string)[]): string => `readonly [${shape.join(', ')}]`;
const union = (words: readonly string[]): string => words.map(quoted).join(' | ');

function heading({ net, zigzag, source, backends, batch, image, outputs, weights }: Facts): string {
  const [output] = outputs;
  const lines = [
    `The net ${net}, compiled from ${source} by zz ${zigzag} for ${list(backends)}. Written by \`zz compile\`: compile again instead of editing.`,
    '',
    `    const model = await createModel();`,
    ...(output ? [`    const { ${output[0]} } = await model.predict(images(1, bytes)); // ${image.join(' x ')} bytes, and ${[1, ...output[1]].join(' x ')} numbers`] : []),
    ...(batch === undefined ? [] : [`    const { loss } = await model.trainStep(images(${batch}, bytes), labels(${batch}, classes));`]),
    '    await model.dispose();',
    '',
    weights === undefined ? 'Weights are drawn from the seed until others are loaded.' : `Its trained weights are in ${weights}, beside this file.`,
  ];
  return `/*\n${lines.map((line) => ` * ${line.replaceAll('*/', '* /')}`.trimEnd()).join('\n')}\n */`;
}

function addImports(file: SourceFile, { backends, classifies, batch }: Facts, used: readonly string[]): void {
  const types = ['Artefact', 'StoredProgram', 'Tensor', ...(classifies ? ['Classification'] : []), ...(batch === undefined ? [] : ['Score', 'StepResult']), ...used.filter((name) => name.endsWith('Step'))];
  const named = [...new Set(types)].sort().map((name) => ({ name, isTypeOnly: true }));
  file.addImportDeclaration({ moduleSpecifier: RUNTIME, namedImports: [{ name: 'openModel' }, { name: 'tensor' }, ...named] });
  for (const backend of backends) file.addImportDeclaration({ moduleSpecifier: `${RUNTIME}/${backend}`, namedImports: [backend] });
}

function addData(file: SourceFile, { net, classes, batch, weights, classifies }: Facts): void {
  const add = (name: string, initializer: string, doc: string): void => {
    file.addVariableStatement({ isExported: true, declarationKind: VariableDeclarationKind.Const, declarations: [{ name, initializer }], docs: [doc] });
  };
  add('NET', quoted(net), 'The name of the net.');
  if (classifies) {
    add('CLASSES', `${literal(classes)} as const`, 'What class scores stand for, in their order.');
    file.addTypeAlias({ isExported: true, name: 'ClassName', type: '(typeof CLASSES)[number]', docs: ['A class by its name.'] });
  }
  if (batch !== undefined) add('BATCH', String(batch), 'How many images a training step takes.');
  if (weights !== undefined) add('WEIGHTS', `new URL(${quoted(`./${weights}`)}, import.meta.url)`, 'Where the trained weights are.');
  file.getVariableDeclaration('WEIGHTS')?.setType('URL');
}

function addTypes(file: SourceFile, facts: Facts): void {
  const { image, outputs, classifies, batch, labelled } = facts;
  const generic = [{ name: 'N', constraint: 'number', default: 'number' }];
  file.addTypeAlias({ isExported: true, name: 'Images', typeParameters: generic, type: `Tensor<${tuple(['N', ...image])}, Uint8Array>`, docs: [`N images of ${image.join(' x ')} bytes: rows from the top, pixels from the left, channels side by side.`] });
  if (labelled) file.addTypeAlias({ isExported: true, name: 'Labels', typeParameters: generic, type: `Tensor<${tuple(['N'])}, Uint8Array | Uint16Array | Int32Array>`, docs: [`The class of each of N images, as its place in ${classifies ? 'CLASSES' : 'the list of classes'}.`] });
  file.addInterface({
    isExported: true, name: 'Outputs', typeParameters: generic, docs: ['What the net gives for N images.'],
    properties: outputs.map(([name, shape]) => ({ name: propertyName(name), isReadonly: true, type: `Tensor<${tuple(['N', ...shape])}>` })),
  });
  file.addInterface(optionsType(facts));
  file.addInterface({ isExported: true, name: 'Model', docs: ['The net on a device.'], properties: [{ name: 'backend', isReadonly: true, type: 'string', docs: ['The backend it runs on.'] }, { name: 'device', isReadonly: true, type: 'string', docs: ['What the backend runs on, for people.'] }], methods: methodsOf(facts) });
  file.addInterface({
    name: 'Types', docs: ['What the runtime\'s types are filled in with.'],
    properties: [
      { name: 'image', isReadonly: true, type: tuple(image) },
      { name: 'batch', isReadonly: true, type: batch === undefined ? 'number' : 'typeof BATCH' },
      { name: 'outputs', isReadonly: true, type: `{ ${outputs.map(([name, shape]) => `readonly ${propertyName(name)}: ${tuple(shape)}`).join('; ')} }` },
      { name: 'classes', isReadonly: true, type: classifies ? 'ClassName' : 'string' },
    ],
  });
}

function optionsType({ backends, sizes, weights, batch, scheduled, epochs, seed }: Facts): OptionalKind<InterfaceDeclarationStructure> {
  const usual = sizes.at(-1) ?? 1;
  const option = (name: string, type: string, doc: string) => ({ name, type, docs: [doc], hasQuestionToken: true, isReadonly: true });
  return {
    isExported: true, name: 'Options', docs: ['How the model is opened.'],
    properties: [
      option('backend', union(['auto', ...backends]), `What it runs on. \`auto\`, the default, is ${backends.length === 1 ? 'the only one there is' : `the first of ${list(backends)} that works here`}.`),
      option('weights', `Uint8Array | ArrayBuffer | URL | 'initial'`, `The bytes or the address of a safetensors file, or \`initial\` for fresh weights. The default is ${weights === undefined ? '`initial`' : 'WEIGHTS'}.`),
      ...(sizes.length > 1 ? [option('batch', sizes.join(' | '), `How many images \`predict\` computes at once: 1 answers soonest, ${usual}, the default, gets through many soonest.`)] : []),
      option('seed', 'number', `What fresh weights${batch === undefined ? '' : ', augmentations and dropout'} are drawn from; ${seed} if it is not given.`),
      ...(backends.includes('wasm') ? [option('threads', 'number', 'Of the wasm backend, in Node and in pages that are cross-origin isolated; as many as there are cores if it is not given.')] : []),
      ...(batch !== undefined && scheduled ? [option('stepsPerEpoch', 'number', 'Training steps that go once through the images: the schedule of the learning rate depends on it, so that `trainStep` needs it.'), option('epochs', 'number', `How often training goes through the images; ${epochs} if it is not given.`)] : []),
    ],
  };
}

const STATISTICS: Readonly<Record<Artefact['settings']['normalize'], string>> = {
  per_batch: 'Takes the statistics that single images are normalised with from images like those of the training. Weights of `zz train` bring them along.',
  channel: 'Takes the mean and deviation of each channel, which images are normalised with, from the training images. Weights of `zz train` bring them along.',
  none: '',
};

function methodsOf({ classifies, batch, labelled, net, normalize }: Facts): OptionalKind<MethodSignatureStructure>[] {
  const images = (type: string) => ({ name: 'images', type });
  const labels = (type: string) => (labelled ? [{ name: 'labels', type }] : []);
  const method = (name: string, parameters: readonly { readonly name: string; readonly type: string }[], returnType: string, doc: string, generic = false): OptionalKind<MethodSignatureStructure> => ({
    name, parameters: [...parameters], returnType, docs: [doc], ...(generic && { typeParameters: [{ name: 'N', constraint: 'number' }] }),
  });
  return [
    method('predict', [images('Images<N>')], 'Promise<Outputs<N>>', 'What the net gives for the images. Throws RangeError where their shape is another.', true),
    ...(classifies ? [method('classify', [images('Images')], 'Promise<readonly Classification<ClassName>[]>', 'The class of each image, and how sure the net is of it.')] : []),
    ...(batch === undefined ? [] : [
      method('trainStep', [images('Images<typeof BATCH>'), ...labels('Labels<typeof BATCH>')], 'Promise<StepResult>', `One step of training on ${batch} images, augmented as ${net} says.`),
      method('evaluate', [images('Images'), ...labels('Labels')], 'Promise<Score>', 'Scores images that the net was not trained on.'),
    ]),
    ...(normalize === 'none' ? [] : [method('calibrate', [images('Images')], 'void', STATISTICS[normalize])]),
    method('save', [], 'Promise<Uint8Array>', 'Weights, the state of training and its statistics, as the bytes of a safetensors file.'),
    method('load', [{ name: 'bytes', type: 'Uint8Array | ArrayBuffer' }], 'Promise<void>', 'Takes what `save`, `zz train` or another program wrote. Throws RunError, and changes nothing, where it is damaged or of another net.'),
    method('dispose', [], 'Promise<void>', 'Gives back the device.'),
  ];
}

function addFunctions(file: SourceFile, { image, labelled, backends, weights }: Facts): void {
  const counted = (name: string, type: string, data: string, shape: readonly (string | number)[], doc: string): void => {
    file.addFunction({ isExported: true, name, typeParameters: [{ name: 'N', constraint: 'number' }], parameters: [{ name: 'count', type: 'N' }, { name: 'data', type: data }], returnType: `${type}<N>`, statements: [`return tensor([${shape.join(', ')}], data);`], docs: [doc] });
  };
  counted('images', 'Images', 'Uint8Array', ['count', ...image], 'The bytes of `count` images. Throws RangeError where they are more or fewer.');
  if (labelled) counted('labels', 'Labels', 'Uint8Array | Uint16Array | Int32Array', ['count'], 'The classes of `count` images. Throws RangeError where they are more or fewer.');
  file.addFunction({
    isExported: true, name: 'createModel', parameters: [{ name: 'options', type: 'Options', initializer: '{}' }], returnType: 'Promise<Model>',
    statements: [`return openModel<Types>(ARTEFACT, { ${backends.join(', ')} }, ${weights === undefined ? 'options' : '{ ...options, weights: options.weights ?? WEIGHTS }'});`],
    docs: ['Opens the net. Throws RangeError where an option makes no sense, RunError where the weights are damaged or of another net, BackendError where no backend works.'],
  });
}
