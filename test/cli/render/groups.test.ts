import assert from 'node:assert/strict';
import { columnsOf } from '../../../src/cli/render/fit.ts';
import { groupLines, groupsText, ranges } from '../../../src/cli/render/groups.ts';
import { inspectGroups, type InspectedGroup } from '../../../src/engine/inspect.ts';
import { allGroups } from '../../../src/observe/take-snapshot.ts';
import { pciNames } from '../../../src/pci/names.ts';
import { machineSpec, scenarios } from '../../scenario.ts';
import { pciIdsOf } from '../pci-ids.ts';

const names = pciNames(pciIdsOf(machineSpec('nvidia-desktop')));
const manner = { unicode: true };
/** A tree with each branch on one line. */
const unbroken = (text: string): string => text.replace(/\n[│ ]{10,}/g, ' ');

describe('groupsText', () => {
  const scenario = scenarios();

  async function groups(): Promise<readonly InspectedGroup[]> {
    const engine = scenario({ host: 'nvidia-desktop' }).engine();
    return (await inspectGroups(engine, allGroups(engine.host))).groups;
  }

  for (const columns of [60, 80, 90]) {
    it(`fits a terminal of ${columns} columns, with class, ids and address of each device, and each word whole`, async () => {
      const shown = await groups();
      const text = groupsText({ shown, rest: [] }, { names, ...manner, colour: false, columns });
      const wide = groupsText({ shown, rest: [] }, { names, ...manner, colour: false, columns: undefined });
      assert.ok(wide.split('\n').some((line) => columnsOf(line) > columns));
      assert.ok(text.split('\n').every((line) => columnsOf(line) <= columns));
      for (const { device } of shown.flatMap(({ devices }) => devices)) {
        const line = unbroken(text)
          .split('\n')
          .find((each) => each.includes(`${device.address}  `));
        const model = names.device(device.vendor, device.device) ?? '';
        for (const part of [`[${device.vendor}:${device.device}]`, `[${device.class.slice(0, 4)}]`, model])
          assert.ok(line?.includes(part), `${device.address} ${part}`);
      }
    });
  }

  it('drops the maker before the model', async () => {
    const shown = (await groups()).filter(({ group }) => group.number === 1);
    const text = groupsText({ shown, rest: [] }, { names, ...manner, colour: false, columns: 110 });
    assert.match(
      text,
      /0000:01:00\.0 {2}VGA compatible controller \[0300\]: TU102 \[GeForce RTX 2080 Ti Rev\. A\] \[10de:1e07\]/,
    );
  });

  it('colour adds nothing but colour', async () => {
    const [shown, rest] = [await groups(), []];
    const plain = groupsText({ shown, rest }, { names, ...manner, colour: false, columns: 100 });
    const coloured = groupsText({ shown, rest }, { names, ...manner, colour: true, columns: 100 });
    assert.notEqual(coloured, plain);
    // eslint-disable-next-line no-control-regex -- the escape sequences of colours
    assert.equal(coloured.replace(/\u001b\[\d+m/g, ''), plain);
  });

  it('escapes what comes from outside', async () => {
    const [first] = await groups();
    assert.ok(first);
    const hostile = { ...first, group: { ...first.group, otherMembers: ['ACPI\u001b[2J'] } };
    const evil = pciNames('10de  NVIDIA \u009b31m\n8086  Intel\u202e\n');
    const text = groupsText(
      { shown: [hostile], rest: [] },
      { names: evil, ...manner, colour: false, columns: undefined },
    );
    const lines = groupLines([hostile], evil).join('\n');
    assert.match(text, /ACPI\\u\{1b\}\[2J {2}no PCI device/);
    // eslint-disable-next-line no-control-regex -- what it must not hold
    assert.doesNotMatch(text + lines, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  it('writes the domain in lines as lspci does: for all devices or for none', async () => {
    const shown = await groups();
    const [first] = shown;
    const [member] = first?.devices ?? [];
    assert.ok(first && member);
    const far = {
      ...member,
      device: { ...member.device, address: '10000:e0:06.0' as typeof member.device.address },
    };
    assert.match(groupLines(shown, names)[0]!, /^IOMMU Group 0 00:00\.0 /);
    const both = groupLines([...shown, { ...first, devices: [far] }], names);
    assert.match(both[0]!, /^IOMMU Group 0 0000:00:00\.0 /);
    assert.match(both[both.length - 1]!, /^IOMMU Group 0 10000:e0:06\.0 /);
  });
});

describe('ranges', () => {
  const cases: Readonly<Record<string, readonly number[]>> = {
    '': [],
    '7': [7],
    '1, 2': [2, 1],
    '0-3, 7, 9, 10': [0, 1, 2, 3, 7, 9, 10],
  };
  for (const [text, numbers] of Object.entries(cases)) {
    it(`${numbers.join(' ') || 'nothing'}: ${text}`, () => {
      assert.equal(ranges(numbers), text);
    });
  }
});
