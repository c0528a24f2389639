import assert from 'node:assert/strict';
import { segmentsFor, SLOTS, WINDOW } from '../../src/cli/pci-segments.ts';

const MIB = 2 ** 20;
const many = (count: number, bytes: number): number[] => Array<number>(count).fill(bytes);

describe('segmentsFor', () => {
  it('one segment has the whole window and needs no weight', () => {
    const { segmentOf, weights, warnings } = segmentsFor(many(8, 16 * MIB));
    assert.deepEqual([new Set(segmentOf), weights.length, warnings], [new Set([0]), 1, []]);
    assert.deepEqual(segmentsFor([]).segmentOf, []);
  });

  it('more devices than slots take another segment, and each share covers its need', () => {
    const needs = [...many(SLOTS, 16 * MIB), ...many(3, 32 * MIB)];
    const { segmentOf, weights, warnings } = segmentsFor(needs);
    assert.deepEqual([segmentOf[SLOTS - 1], segmentOf[SLOTS], weights.length], [0, 1, 2]);
    const sum = weights.reduce((a, b) => a + b);
    for (const [segment, weight] of weights.entries()) {
      const need = needs.filter((_, index) => segmentOf[index] === segment).reduce((a, b) => a + b);
      assert.ok((WINDOW / sum) * weight >= need, `segment ${segment}`);
    }
    assert.deepEqual(warnings, []);
  });

  it('says when they cannot fit, however they are spread', () => {
    assert.match(
      segmentsFor(many(3, 256 * MIB)).warnings.join(),
      /need 768 MiB, and Cloud Hypervisor has 640 MiB/,
    );
  });
});
