// The page that zz compile --target html writes: it opens the model, classifies a picture that is dropped, pasted or chosen, or the camera's, and shows the class bars.

import type { Artefact, ArtefactBackend } from '../../compiler/5-emit/artefact.ts';
import type { CompiledModel, Images, NetTypes } from '../compiled/model.ts';
import { openArtefact } from '../compiled/open.ts';
import { wasm } from '../compiled/wasm.browser.ts';
import { webgpu } from '../compiled/webgpu.browser.ts';
import { percent, showBars } from './bars.ts';
import { createRetina, type Shape } from './pixels.ts';

const HOSTS = { webgpu, wasm };
const LABELS: Readonly<Partial<Record<ArtefactBackend, string>>> = { webgpu: 'WebGPU', wasm: 'WebAssembly' };

function element<E extends HTMLElement>(id: string, type: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${id}`);
  return found;
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Starts the page. `weights` are the bytes of a safetensors file in base64. */
export async function startPage(artefact: Artefact, weights: string): Promise<void> {
  const { classes, image } = artefact;
  const shape = image as unknown as Shape;
  const page = {
    alert: element('alert', HTMLElement),
    backend: element('backend', HTMLSelectElement),
    bars: element('bars', HTMLElement),
    camera: element('camera', HTMLButtonElement),
    choose: element('choose', HTMLButtonElement),
    device: element('device', HTMLElement),
    drop: element('drop', HTMLElement),
    file: element('file', HTMLInputElement),
    picture: element('picture', HTMLImageElement),
    result: element('result', HTMLElement),
    sample: element('sample', HTMLElement),
    seen: element('seen', HTMLCanvasElement),
    video: element('video', HTMLVideoElement),
  };
  const bytes = Uint8Array.from(atob(weights), (character) => character.charCodeAt(0));
  const retina = createRetina(page.seen, shape);
  let model: CompiledModel | undefined;
  let stream: MediaStream | undefined;
  /** What was classified last, for another backend. */
  let last: Uint8Array | undefined;

  const complain = (message: string): void => {
    page.alert.textContent = message;
    page.alert.hidden = message === '';
  };

  /** Opens the model on a backend; pictures are classified by the old one until it is there. */
  const open = async (backend: string): Promise<void> => {
    page.device.textContent = 'opening …';
    page.backend.disabled = true;
    try {
      const opened = await openArtefact<NetTypes>(artefact, HOSTS, { backend, weights: bytes }, async () => bytes);
      const before = model;
      model = opened;
      await before?.dispose();
      complain('');
    } catch (error) {
      complain(textOf(error));
    }
    page.backend.disabled = false;
    page.backend.value = model?.backend ?? backend;
    page.device.textContent = model?.device ?? '';
    if (last && !stream) await classify(last);
  };

  const classify = async (pixels: Uint8Array): Promise<void> => {
    last = pixels;
    if (!model) return;
    const began = performance.now();
    const [found] = await model.classify({ shape: [1, ...shape], data: pixels } as unknown as Images<NetTypes>);
    if (!found) return;
    showBars(page.bars, classes, found);
    page.sample.hidden = false;
    page.device.textContent = `${model.device}, ${(performance.now() - began).toFixed(1)} ms`;
    // Read out for a picture; the camera's answers would never end.
    if (!stream) page.result.textContent = `${found.class}, ${percent(found.probability)}`;
  };

  const show = async (picture: Blob): Promise<void> => {
    stopCamera();
    try {
      const pixels = await retina.look(picture);
      URL.revokeObjectURL(page.picture.src);
      page.picture.src = URL.createObjectURL(picture);
      page.picture.hidden = false;
      complain('');
      await classify(pixels);
    } catch (error) {
      complain(error instanceof DOMException ? 'This is no picture that the browser can read.' : textOf(error));
    }
  };

  function stopCamera(): void {
    stream?.getTracks().forEach((track) => track.stop());
    stream = undefined;
    page.video.srcObject = null;
    page.video.hidden = true;
    page.camera.textContent = 'Use the camera';
    page.camera.setAttribute('aria-pressed', 'false');
  }

  const startCamera = async (): Promise<void> => {
    // Not twice while the user is asked.
    page.camera.disabled = true;
    try {
      const started = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      stream = started;
      page.video.srcObject = started;
      await page.video.play();
      page.picture.hidden = true;
      page.video.hidden = false;
      page.result.textContent = '';
      page.camera.textContent = 'Stop the camera';
      page.camera.setAttribute('aria-pressed', 'true');
      complain('');
      page.camera.disabled = false;
      while (stream === started) {
        await classify(retina.watch(page.video));
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      stopCamera();
      complain(`The camera cannot be used: ${textOf(error)}`);
    }
    page.camera.disabled = false;
  };

  const first = (files: FileList | undefined): void => {
    const picture = files?.[0];
    if (picture) void show(picture);
  };
  page.choose.addEventListener('click', () => page.file.click());
  page.file.addEventListener('change', () => first(page.file.files ?? undefined));
  page.camera.addEventListener('click', () => (stream ? stopCamera() : void startCamera()));
  page.backend.addEventListener('change', () => void open(page.backend.value));
  document.addEventListener('paste', (event) => first(event.clipboardData?.files));
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    page.drop.classList.add('over');
  });
  document.addEventListener('dragleave', () => page.drop.classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    page.drop.classList.remove('over');
    first(event.dataTransfer?.files);
  });

  page.camera.hidden = (navigator as { readonly mediaDevices?: unknown }).mediaDevices === undefined;
  page.backend.replaceChildren(...Object.keys(artefact.backends).map((name) => new Option(LABELS[name as ArtefactBackend] ?? name, name)));
  await open('auto');
}
