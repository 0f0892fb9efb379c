// The names of stages that help and completion know are those that a compilation has.

import { expect, test } from 'vitest';
import { STAGE_NAMES } from '../../cli/stage-names.ts';
import { stagesOf } from '../../cli/stages.ts';
import { buildNet } from '../../compiler/2-graph/build.ts';
import { programAt } from '../build/helpers.ts';

test('they are the stages in their order', () => {
  const program = programAt('dsl-examples/mlp.zz');
  const { graph } = buildNet(program, undefined, { mode: 'train' });
  if (!graph) throw new Error('no graph');
  const stages = stagesOf(program, graph.name, { mode: 'train', width: 1, batch: 2, settings: graph.train });
  expect(stages.map(({ name }) => name)).toEqual([...STAGE_NAMES]);
});
