import assert from 'node:assert/strict';
import type { HugepageNeed } from '../../src/domain/domain.ts';
import { parseDomain } from '../../src/domain/parse.ts';

const UUID = '6e9d6d4c-6b1b-4a0c-8f0a-0d6f9c1f2b3a';
const GIB = 2 ** 30;
const MIB = 2 ** 20;

function needs(inside: string): readonly HugepageNeed[] | undefined {
  return parseDomain(`<domain><name>x</name><uuid>${UUID}</uuid>${inside}</domain>`).hugepages;
}

const memory = "<memory unit='GiB'>8</memory>";
const backed = (pages: string): string => `<memoryBacking><hugepages>${pages}</hugepages></memoryBacking>`;
const cells = (...sizes: readonly number[]): string =>
  `<cpu><numa>${sizes.map((size, id) => `<cell id='${id}' cpus='${id}' memory='${size}' unit='GiB'/>`).join('')}</numa></cpu>`;

describe('the memory of a guest in huge pages', () => {
  const table: readonly (readonly [sentence: string, inside: string, needs: readonly HugepageNeed[]])[] = [
    ['all of it, of the default size', memory + backed(''), [{ bytes: 8 * GIB }]],
    ['of a size', memory + backed("<page size='1' unit='G'/>"), [{ size: GIB, bytes: 8 * GIB }]],
    ['of a size in KiB', memory + backed("<page size='2048'/>"), [{ size: 2 * MIB, bytes: 8 * GIB }]],
    [
      'that of each node, each with pages of its own',
      memory + backed("<page size='2' unit='M'/>") + cells(5, 3),
      [
        { size: 2 * MIB, bytes: 5 * GIB },
        { size: 2 * MIB, bytes: 3 * GIB },
      ],
    ],
    [
      'nodes that a page names, and the rest',
      memory + backed("<page size='1' unit='G' nodeset='0-3,^1'/><page size='2' unit='M'/>") + cells(1, 2, 3),
      [
        { size: GIB, bytes: GIB },
        { size: 2 * MIB, bytes: 2 * GIB },
        { size: GIB, bytes: 3 * GIB },
      ],
    ],
    [
      'only the nodes that a page names',
      memory + backed("<page size='1' unit='G' nodeset='1'/>") + cells(1, 2),
      [{ size: GIB, bytes: 2 * GIB }],
    ],
    [
      'a nodeset for a guest without nodes',
      memory + backed("<page size='1' unit='G' nodeset='0'/>"),
      [{ size: GIB, bytes: 8 * GIB }],
    ],
    [
      'memory that can be added later is not there at the start',
      `<maxMemory unit='GiB' slots='4'>64</maxMemory>${memory}${backed('')}`,
      [{ bytes: 8 * GIB }],
    ],
  ];
  for (const [sentence, inside, expected] of table) {
    it(sentence, () => {
      assert.deepEqual(needs(inside), expected);
    });
  }

  const none = [
    ['no backing', memory],
    ['another backing', `${memory}<memoryBacking><locked/></memoryBacking>`],
    ['a size that cannot be read', memory + backed("<page size='big'/>")],
    ['no memory', backed('')],
    ['memory that cannot be read', `<memory unit='stone'>8</memory>${backed('')}`],
    ['metadata', `${memory}<metadata><memoryBacking><hugepages/></memoryBacking></metadata>`],
    ['another namespace', `${memory}<x:memoryBacking xmlns:x='urn:x'><x:hugepages/></x:memoryBacking>`],
    ['a comment', `${memory}<!--${backed('')}-->`],
  ] as const;
  for (const [sentence, inside] of none) {
    it(`none with ${sentence}`, () => {
      assert.equal(needs(inside), undefined);
    });
  }

  it('never takes long, whatever a nodeset says', () => {
    const huge = backed(`<page size='1' unit='G' nodeset='${'0-99999,'.repeat(1000)}0'/>`);
    assert.deepEqual(needs(memory + huge), [{ size: GIB, bytes: 8 * GIB }]);
  });
});
