import assert from 'node:assert/strict';
import fc from 'fast-check';

import { compare, type ComparedKernel, explain, unlike, words } from './compare.ts';
import { addresses, playedDevices, seenDevices, seenModules } from './devices.ts';
import { sight } from './facts.ts';
import { sequence, sequences } from './generate.ts';
import { freshKernel, predict, predictSequence } from './predict.ts';
import type { Action, Sight } from './sequence.ts';

const bus = '/sys/bus/pci';
const untouchable = ['0000:00:02.0', '0000:00:03.0'];
const played = playedDevices.map(({ address }) => address);

function write(path: string, data: string): Action {
  return { write: `${bus}/${path}`, data };
}

/** To vfio-pci and back, with a resize in between: every kind of fact changes. */
const walk: readonly Action[] = [
  write(`devices/${addresses.rebar}/driver_override`, 'vfio-pci\n'),
  write('drivers/vfio-pci/bind', addresses.rebar),
  write(`devices/${addresses.rebar}/resource2_resize`, '9'),
  write('drivers/vfio-pci/unbind', addresses.rebar),
  write(`devices/${addresses.rebar}/resource2_resize`, '9'),
  { unload: 'vfio_pci' },
];

describe('random sequences of operations', () => {
  it('have 10 to 40 operations each, in whatever number is asked for', () => {
    const lengths = sequences(100, 1).map((each) => each.length);
    assert.equal(lengths.length, 100);
    assert.ok(Math.min(...lengths) >= 10 && Math.max(...lengths) <= 40);
    assert.ok(new Set(lengths).size > 20);
  });

  it('are the same for the same seed, others for another', () => {
    assert.deepEqual(sequences(5, 7), sequences(5, 7));
    assert.notDeepEqual(sequences(5, 7), sequences(5, 8));
  });

  it('never name the disk or the share of the lab, nor anything that can block', () => {
    fc.assert(
      fc.property(sequence, (actions) => {
        for (const action of actions) {
          if (!('write' in action)) continue;
          const text = `${action.write} ${action.data}`;
          assert.ok(!untouchable.some((address) => text.includes(address)), text);
          assert.match(
            action.write,
            /\/(bind|unbind|driver_override|drivers_probe|resource2_resize|sriov_numvfs|reset_method|control|d3cold_allowed|remove|rescan)$/,
          );
        }
      }),
      { numRuns: 25 },
    );
  });

  it('never have a driver of the host probe a foreign device by override', () => {
    const harmless = ['vfio-pci', 'pci-stub'];
    for (const action of sequences(200, 3).flat()) {
      if (!('write' in action) || !action.write.endsWith('/driver_override')) continue;
      const device = playedDevices.find(({ address }) => action.write.includes(address));
      const text = action.data.replace(/\n$/, '');
      const isDriver = playedDevices.some(({ driver }) => driver === text) && !harmless.includes(text);
      assert.ok(!isDriver || device?.driver === text, words(action));
    }
  });

  it('come to every device, every kind of write and both directions of modules', () => {
    const actions = sequences(200, 3).flat();
    const texts = actions.map((action) => JSON.stringify(action));
    for (const address of played)
      assert.ok(
        texts.some((text) => text.includes(address)),
        address,
      );
    const names = new Set(
      actions.map((action) => ('write' in action ? action.write.split('/').pop() : Object.keys(action)[0])),
    );
    const kinds =
      'bind unbind driver_override drivers_probe resource2_resize sriov_numvfs reset_method control d3cold_allowed remove rescan load unload';
    assert.deepEqual([...names].sort(), kinds.split(' ').sort());
  });
});

describe('what the simulated kernel makes of them', () => {
  for (const kernel of ['6.1', '6.12', '7.2'] as const) {
    it(`is an answer to each, on Linux ${kernel}, and never a fault of its own`, async () => {
      const { sequences: all } = await predict(kernel, 12, 11);
      assert.equal(all.length, 12);
      for (const step of all.flat()) assert.match(step.answer, /^(ok|E[A-Z]+)$/, words(step.action));
    });
  }

  it('is plain data', async () => {
    const prediction = await predict('6.12', 2, 5);
    assert.deepEqual(JSON.parse(JSON.stringify(prediction)), prediction);
  });

  it('has successes and refusals, and changes on the devices that were named', async () => {
    const steps = await predictSequence('6.12', walk);
    assert.deepEqual(
      steps.map(({ answer }) => answer),
      ['ok', 'ok', 'EBUSY', 'ok', 'ok', 'ok'],
    );
    assert.deepEqual(Object.keys(steps[1]?.changes ?? {}), [addresses.rebar]);
    assert.equal(steps[1]?.changes[addresses.rebar]?.['driver'], 'vfio-pci');
    assert.equal(steps[4]?.changes[addresses.rebar]?.['sizes of BARs'], `16777216 0 ${512 * 2 ** 20} 0 0 0`);
    assert.ok(steps[5]?.look.includes('machine'));
    assert.deepEqual(steps[2]?.changes, {});
  });

  it('looks at the whole group of a device that is written to', async () => {
    const [step] = await predictSequence('6.12', [write(`devices/${addresses.gpu}/driver_override`, '\n')]);
    assert.deepEqual(step?.look, [addresses.gpu, addresses.gpuAudio]);
  });
});

describe('the comparison of two kernels', () => {
  /** A kernel that does everything right but for what is changed. */
  async function kernelWith(
    change: (kernel: ComparedKernel) => Partial<ComparedKernel>,
  ): Promise<ComparedKernel> {
    const kernel = await freshKernel('6.12');
    return { ...kernel, ...change(kernel) };
  }

  async function firstDifference(change: (kernel: ComparedKernel) => Partial<ComparedKernel>) {
    const steps = await predictSequence('6.12', walk);
    return compare(await kernelWith(change), await startSight(), steps);
  }

  async function startSight(): Promise<Sight> {
    return sight(await freshKernel('6.12'));
  }

  it('finds none between a kernel and itself', async () => {
    assert.equal(await firstDifference(() => ({})), undefined);
    const { start, sequences: all } = await predict('6.1', 4, 13);
    for (const each of all) assert.equal(await compare(await freshKernel('6.1'), start, each), undefined);
  });

  it('finds another answer', async () => {
    const difference = await firstDifference((kernel) => ({
      perform: async (action) => {
        const answer = await kernel.perform(action);
        return answer === 'EBUSY' ? 'EINVAL' : answer;
      },
    }));
    assert.deepEqual(difference, { step: 2, lines: ['answer: simulated EBUSY, real EINVAL'] });
  });

  it('finds a write that was answered with success and did nothing', async () => {
    const difference = await firstDifference((kernel) => ({
      perform: async (action) => ('write' in action && action.data === '9' ? 'ok' : kernel.perform(action)),
    }));
    assert.equal(difference?.step, 2);
  });

  const facts = [
    ['driver', '/driver', 1],
    ['iommu_group', '/iommu_group', 0],
  ] as const;
  for (const [name, end, step] of facts) {
    it(`finds another ${name}`, async () => {
      const difference = await firstDifference((kernel) => ({
        link: (path) => (path.endsWith(`${addresses.rebar}${end}`) ? '../none-such' : kernel.link(path)),
      }));
      assert.ok(difference !== undefined && difference.step <= step);
    });
  }

  const texts = ['driver_override', 'power/control', 'd3cold_allowed', 'reset_method', 'resource'];
  for (const name of texts) {
    it(`finds another ${name}`, async () => {
      const difference = await firstDifference((kernel) => ({
        text: (path) => (path.endsWith(`${addresses.rebar}/${name}`) ? '0x1 0x2 0x0\n' : kernel.text(path)),
      }));
      assert.equal(difference?.step, 0);
    });
  }

  it('finds a group file or a module that is there and should not be', async () => {
    for (const directory of ['/dev/vfio', '/sys/module']) {
      const difference = await firstDifference((kernel) => ({
        list: (path) => (path === directory ? [] : kernel.list(path)),
      }));
      assert.ok(difference !== undefined, directory);
    }
  });

  it('finds at the end what changed on a device that no step was about', async () => {
    const other = `devices/${addresses.nvme}/power/control`;
    const kernel = await kernelWith((simulated) => ({
      text: (path) => (path === `${bus}/${other}` ? 'auto\n' : simulated.text(path)),
    }));
    // Without the last step, which unloads a module: after that everything is looked at anyway.
    const steps = await predictSequence('6.12', walk.slice(0, -1));
    const difference = await compare(kernel, await startSight(), steps);
    assert.equal(difference?.step, steps.length);
    assert.deepEqual(difference.lines, [`${addresses.nvme} power/control: simulated "on", real "auto"`]);
  });

  it('says in which way two sights are not alike', () => {
    const expected = new Map([['a', { driver: 'igb', group: 'a b' }]]);
    assert.deepEqual(unlike(expected, { a: { driver: 'igb', group: 'a b' } }), []);
    assert.deepEqual(unlike(expected, { a: { driver: 'none', reset_method: '' } }), [
      'a driver: simulated "igb", real "none"',
      'a group: simulated "a b", real absent',
      'a reset_method: simulated absent, real ""',
    ]);
  });

  it('shows the steps that may have led to a difference, and marks the one', async () => {
    const elsewhere = write(`devices/${addresses.nic}/power/control`, 'on');
    const steps = await predictSequence('6.12', [elsewhere, { load: 'vfio-pci' }, ...walk]);
    const text = explain(steps, { step: 3, lines: ['answer: simulated ok, real EINVAL'] });
    assert.equal(
      text,
      [
        '    (1 operations on other devices)',
        '    modprobe vfio-pci: ok',
        `    "vfio-pci\\n" to devices/${addresses.rebar}/driver_override: ok`,
        `  > "${addresses.rebar}" to drivers/vfio-pci/bind: ok`,
        '      answer: simulated ok, real EINVAL',
      ].join('\n'),
    );
    const atEnd = explain(steps, { step: steps.length, lines: [`${addresses.nic} driver: simulated "a"`] });
    assert.match(atEnd, /power\/control: ok\n.*\n.*delete_module vfio_pci: ok\n {2}> \(at the end/s);
  });

  it('shortens long texts', () => {
    assert.match(words(write('x', 'y'.repeat(4095))), /^"yyyyyyyy"… \(4095 bytes\) to x$/);
    assert.equal(words({ load: 'vfio-pci' }), 'modprobe vfio-pci');
    assert.equal(words({ unload: 'vfio_pci' }), 'delete_module vfio_pci');
  });
});

describe('what is seen of the simulated lab', () => {
  it('is all devices that sequences play with, and the virtual functions that are not there yet', async () => {
    const seen = sight(await freshKernel('6.12'));
    assert.deepEqual(Object.keys(seen).sort(), ['machine', ...seenDevices].sort());
    for (const { address, driver } of playedDevices) {
      const wanted = address.startsWith('0000:02:10') ? undefined : (driver ?? 'none');
      assert.equal(seen[address]?.['driver'], wanted, address);
    }
    assert.deepEqual(seen[addresses.vf0], { present: 'no' });
    assert.equal(seen['machine']?.['modules'], seenModules.join(' '));
  });
});
