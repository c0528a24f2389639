import assert from 'node:assert/strict';
import fc from 'fast-check';
import { layOut, sizes, type Box, type Layout } from '../../../src/cli/map/layout.ts';
import type { MapNode, MapRoot } from '../../../src/cli/map/model.ts';
import { at } from '../../plan/snapshots.ts';
import { forests, plainFunction } from './forest.ts';

const numRuns = Number(process.env['FC_RUNS'] ?? 300);

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function within(inner: Box, outer: Box): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

function overlapping(boxes: readonly Box[]): (readonly [Box, Box])[] {
  return boxes.flatMap((box, index) =>
    boxes.slice(index + 1).flatMap((other) => (overlap(box, other) ? [[box, other] as const] : [])),
  );
}

function countNodes(nodes: readonly MapNode[]): number {
  return nodes.reduce((sum, node) => sum + 1 + (node.kind === 'bridge' ? countNodes(node.children) : 0), 0);
}

function holds(name: string, check: (layout: Layout, roots: readonly MapRoot[]) => void): void {
  it(name, () => {
    fc.assert(
      fc.property(forests, (roots) => {
        check(layOut({ roots }), roots);
      }),
      { numRuns },
    );
  });
}

describe('layOut, whatever the host is like', () => {
  holds('no two boxes overlap, nor two frames', ({ roots }) => {
    assert.deepEqual(overlapping(roots.flatMap(({ nodes }) => nodes)), []);
    assert.deepEqual(overlapping(roots), []);
  });

  holds(
    'each box lies in its frame, below the title, and each frame on the paper',
    ({ roots, width, height }) => {
      for (const root of roots) {
        assert.ok(within(root, { x: 0, y: 0, width, height }));
        const room = { ...root, y: root.y + sizes.title, height: root.height - sizes.title };
        for (const box of root.nodes) assert.ok(within(box, room), JSON.stringify(box));
        if (root.folded) {
          const words = { ...root.folded, width: 1, height: 1 };
          assert.ok(within(words, room));
          assert.ok(root.nodes.every((box) => box.y + box.height <= words.y));
        }
      }
    },
  );

  holds('everything is drawn once, and one line leads to each box', ({ roots: placed }, roots) => {
    assert.deepEqual(
      placed.map(({ nodes }) => nodes.length),
      roots.map(({ children }) => countNodes(children)),
    );
    for (const { nodes, lines } of placed) {
      assert.deepEqual(
        lines.map(({ to }) => `${to.x},${to.y}`).sort(),
        nodes.map((box) => `${box.x},${box.y + box.height / 2}`).sort(),
      );
    }
  });

  holds('no line crosses a box', ({ roots }) => {
    for (const { nodes, lines } of roots) {
      for (const { from, turn, to } of lines) {
        const strokes: Box[] = [
          { x: from.x, y: from.y, width: turn - from.x, height: 0 },
          { x: turn, y: Math.min(from.y, to.y), width: 0, height: Math.abs(to.y - from.y) },
          { x: turn, y: to.y, width: to.x - turn, height: 0 },
        ];
        for (const stroke of strokes) assert.ok(!nodes.some((box) => overlap(stroke, box)));
      }
    }
  });
});

describe('layOut', () => {
  it('puts a bridge beside the middle of what is behind it', () => {
    const card: MapNode = { kind: 'card', address: at('01:00.0'), functions: [plainFunction()] };
    const bridge: MapNode = {
      kind: 'bridge',
      address: at('00:01.0'),
      function: plainFunction(),
      children: [card, card, card],
    };
    const [root] = layOut({ roots: [{ bus: '0000:00', children: [bridge] }] }).roots;
    const middle = ({ y, height }: Box): number => y + height / 2;
    const boxOf = (kind: MapNode['kind']): readonly Box[] =>
      root!.nodes.filter(({ node }) => node.kind === kind);
    assert.equal(middle(boxOf('bridge')[0]!), middle(boxOf('card')[1]!));
  });

  it('has room for a host without any device', () => {
    const { width, height, roots } = layOut({ roots: [] });
    assert.ok(width > 0 && height > 0);
    assert.deepEqual(roots, []);
  });
});
