// The webgpu backend with tilings that were measured on its adapter.

import { webgpuEmitter } from '../../compiler/emitters.ts';
import type { Model, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { BackendError, type Backend } from '../../runtime/backend.ts';
import type { Adapter } from '../../runtime/backends/adapter.ts';
import type { Target } from '../target.ts';
import { addChoices, readChoices, tuningFile } from './cache.ts';
import { tilingsBy, type Choices } from './choices.ts';
import type { TuningRequest } from './request.ts';
import { tune } from './tune.ts';

/** A target that uses what is known of its adapter, and measures what is not, where that is asked for. */
export async function tunedTarget(adapter: Adapter, backend: Backend<WebGpuStep>, { level = adapter.software ? 'off' : 'quick', folder, show }: TuningRequest): Promise<Target> {
  if (level === 'off') return { ...(await webgpuEmitter({ device: adapter })), backend };
  const file = tuningFile(folder, adapter);
  const known = await readChoices(file);
  const targetWith = async (choices: Choices): Promise<Target> => ({ ...(await webgpuEmitter({ device: adapter, tiling: tilingsBy(choices) })), backend });
  const target = await targetWith(known);
  if (level === 'known') return target;
  return {
    ...target,
    async tuned({ model, graphs }) {
      try {
        const found = await tune({ model: model as Model<WebGpuStep>, graphs, adapter, backend, known, level }, {
          begin: (products, variants) => show.begin({ products, variants, adapter: adapter.model || adapter.name }),
          measured: show.measured,
          chosen: show.chosen,
        });
        show.end();
        if (found.size === 0) return undefined;
        await addChoices(file, found).catch((error: unknown) => show.failed(`what tuning found cannot be kept: ${error instanceof Error ? error.message : String(error)}`));
        return await targetWith(new Map([...known, ...found]));
      } catch (error) {
        if (!(error instanceof BackendError)) throw error;
        show.failed(`tuning did not work, usual tiles are taken: ${error.message}`);
        return undefined;
      }
    },
  };
}
