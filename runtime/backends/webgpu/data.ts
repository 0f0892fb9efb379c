// Runs of programs that make their batches of a data set on the device.

import { CLOCK, DATA } from '../../../compiler/5-emit/model.ts';
import type { DeviceData, Run, Runner } from '../../backend.ts';
import { viewsKey } from '../../data/readings.ts';
import { createCollector } from './collector.ts';
import { dispatchesOf, encode, type Commands } from './commands.ts';
import type { Watch } from './errors.ts';
import type { Pipelines } from './pipelines.ts';
import { preparedOf, resultOf, type Prepared } from './prepared.ts';
import type { Queue } from './queue.ts';
import { upload } from './upload.ts';

/** What runs need of the session that they belong to. */
export interface Host {
  readonly gpu: GPUDevice;
  readonly watch: Watch;
  readonly queue: Queue;
  readonly pipelines: Pipelines;
  readonly prepared: ReadonlyMap<string, Prepared>;
  /** The run's. */
  readonly seed: number;
}

/** Puts the splits on the device. Undefined where it has no room for them, or a program does not make its batches itself. */
export async function loadData({ gpu, watch, queue, pipelines, prepared, seed }: Host, data: DeviceData): Promise<Runner | undefined> {
  if ([...prepared.values()].some(({ program }) => !program.feed)) return undefined;
  const uploaded = await upload(gpu, data);
  if (!uploaded) return undefined;
  const { clock, splits } = uploaded;
  const collector = createCollector(gpu, watch);

  const made = new Map<string, Commands>();
  /** The commands of a program on a split; bind groups are made once. */
  const commandsFor = ({ program: name, selection: { split } }: Run, { program: { feed = [] }, places, commands }: Prepared): Commands => {
    const key = `${split} ${name}`;
    const found = made.get(key) ?? { ...commands, dispatches: [...dispatchesOf(gpu, feed, new Map([...places, ...(splits.get(split)?.places ?? [])]), pipelines), ...commands.dispatches] };
    made.set(key, found);
    return found;
  };

  return {
    fedBy: 'device',
    async begin(run) {
      watch.check();
      const found = preparedOf(prepared, run.program);
      const split = splits.get(run.selection.split);
      if (!split) throw new RangeError(`the split "${run.selection.split}" is not on the device`);
      checkBatch(found, run);
      const wanted = run.wanted.map((id) => resultOf(run.program, found, id));
      const commands = commandsFor(run, found);
      gpu.queue.writeBuffer(clock, 0, clockWords(run, split.count, seed));
      const encoder = gpu.createCommandEncoder({ label: run.program });
      encode(encoder, run.program, commands);
      collector.add(encoder, run, wanted);
      await queue.submit(encoder);
      return collector.ready();
    },
    finish: () => collector.all(),
  };
}

/** As many images are normalised together as the program was compiled for. */
function checkBatch({ places }: Prepared, { program, selection }: Run): void {
  const [images = 0] = places.get(DATA.indices)?.spec.shape ?? [];
  if (images !== selection.batch) throw new RangeError(`the program "${program}" reads ${images} images, not ${selection.batch}`);
}

function clockWords({ selection: { order, start }, clock }: Run, count: number, seed: number): Uint32Array<ArrayBuffer> {
  const words: Readonly<Record<(typeof CLOCK)[number], number>> = {
    order, start, count, views: viewsKey(seed), seed, step: clock.step, steps_per_epoch: clock.stepsPerEpoch, total_steps: clock.totalSteps,
  };
  return Uint32Array.from(CLOCK, (word) => words[word]);
}
