import fc from 'fast-check';
import type { MapFunction, MapNode, MapRoot } from '../../../src/cli/map/model.ts';
import { at } from '../../plan/snapshots.ts';

/** A function with nothing special about it. */
export function plainFunction(facts: Partial<MapFunction> = {}): MapFunction {
  return {
    address: at('00:01.0'),
    name: 'Device',
    facts: ['Audio device', 'no driver'],
    group: 1,
    state: 'possible',
    stateWord: 'can be given',
    description: ['0000:00:01.0 Device'],
    ...facts,
  };
}

const card: fc.Arbitrary<MapNode> = fc.integer({ min: 1, max: 8 }).map((count) => ({
  kind: 'card',
  address: at('00:01.0'),
  functions: Array.from({ length: count }, () => plainFunction()),
}));

const { node } = fc.letrec<{ node: MapNode }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    card,
    fc.array(tie('node'), { maxLength: 4 }).map((children): MapNode => ({
      kind: 'bridge',
      address: at('00:01.0'),
      function: plainFunction(),
      children,
    })),
  ),
}));

/** Any host: roots without a device, bridges without end, cards of one to eight functions. */
export const forests: fc.Arbitrary<readonly MapRoot[]> = fc.array(
  fc.record(
    {
      bus: fc.constant('0000:00'),
      children: fc.array(node, { maxLength: 5 }),
      folded: fc.constant('2 parts of the chipset'),
    },
    { requiredKeys: ['bus', 'children'] },
  ),
  { maxLength: 5 },
);
