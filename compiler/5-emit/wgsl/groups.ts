// Which tasks share a dispatch. Those that need nothing of each other run side by side. Small ones that follow each other run in a single workgroup, which waits for
// itself between them: a dispatch of its own costs more than a small task.

import type { ValueId } from '../../2-graph/graph.ts';
import type { DeviceLimits } from '../model.ts';
import { valuesIn } from './form.ts';
import type { Form } from './form.ts';
import { boundFor } from './shader.ts';
import type { Places } from './shader.ts';

/** What one dispatch computes: stages one after the other, by a single workgroup, or one stage. */
export type Group = readonly (readonly Form[])[];

/** Threads of the workgroup that does small tasks: what every device has. */
const THREADS = 256;

/**
 * Operations that a thread of it may do in a stage, one after the other. At some 50 cycles each, loads that wait for memory among them, they take 4 microseconds
 * at 1.7 GHz: what a dispatch costs with the wait before it, 2 to 5.
 */
const TURNS = 128;

export const threadsForSmall = ({ workgroupInvocations }: DeviceLimits): number => Math.min(THREADS, workgroupInvocations);

/** The forms, which stand between other steps as given, in groups. */
export function gathered<Other>(items: readonly (Form | Other)[], isForm: (item: Form | Other) => item is Form, home: Places['home'], limits: DeviceLimits): (Group | Other)[] {
  const threads = threadsForSmall(limits);
  const groups: (Group | Other)[] = [];
  /** The stages of small tasks that the last group is, if more may follow. */
  let open: Form[][] | undefined;
  let run: Form[] = [];
  const close = (): void => {
    if (run.length === 0) return;
    const isSmall = run.reduce((sum, form) => sum + form.turns(threads), 0) <= TURNS;
    if (open && isSmall) open.push(run);
    else groups.push((open = [run]));
    if (!isSmall) open = undefined;
    run = [];
  };
  for (const item of items) {
    if (!isForm(item)) {
      close();
      groups.push(item);
      open = undefined;
      continue;
    }
    if (run.some((other) => meet(other, item, home))) {
      // The first tasks of a kernel wait for those after them.
      const others = run.findLastIndex((other) => !isOfKernel(other, item)) + 1;
      const next = run.slice(others).some((other) => meet(other, item, home)) ? [] : run.splice(others);
      close();
      run = next;
    }
    run.push(item);
  }
  close();
  return groups;
}

const isOfKernel = (a: Form, b: Form): boolean => a.tasks[0].kernel === b.tasks[0].kernel;

/** Whether one of two tasks writes what the other reads or writes. */
function meet(a: Form, b: Form, home: Places['home']): boolean {
  const touched = (form: Form): ReadonlySet<ValueId> => new Set(valuesIn(form).map(home));
  const [ofA, ofB] = [touched(a), touched(b)];
  return a.writes.some((id) => ofB.has(home(id))) || b.writes.some((id) => ofA.has(home(id)));
}

/** A group as several where a device does not bind what it needs. */
export function fittingGroups(group: Group, places: Places, limits: DeviceLimits): Group[] {
  const found: Form[][][] = [];
  for (const stage of group) {
    const begun = new Set<Form[][]>();
    for (const form of stage) {
      // Stages wait for those before: of more than one, only the last group takes more.
      const candidates = group.length === 1 ? found : found.slice(-1);
      const chosen = candidates.find((each) => fits([...each.flat(), form], places, limits));
      const home = chosen ?? [];
      if (!chosen) found.push(home);
      if (begun.has(home)) home.at(-1)?.push(form);
      else home.push([form]);
      begun.add(home);
    }
  }
  return found;
}

/** Whether there is room for all that the forms bind, and none stores single numbers where another takes vectors. */
function fits(forms: readonly Form[], places: Places, { storageBuffers }: DeviceLimits): boolean {
  const bound = boundFor(forms.flatMap(valuesIn), places);
  if (bound.size > storageBuffers) return false;
  const narrow = new Set(forms.flatMap((form) => form.writes.filter((id) => !form.wide.has(id))).map(places.home));
  const wide = new Set(forms.flatMap((form) => [...form.wide]).map(places.home));
  return [...bound.values()].every((ids) => !ids.some((id) => narrow.has(id)) || !ids.some((id) => wide.has(id)));
}
