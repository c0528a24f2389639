import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createMachine, type Machine } from '../../../simulator/machine.ts';
import { readDescription } from '../../../simulator/description.ts';
import type { Host } from '../../../src/host/host.ts';
import { allGroups, takeSnapshot } from '../../../src/observe/take-snapshot.ts';
import { readUses } from '../../../src/observe/uses/uses.ts';
import type { DeviceUse } from '../../../src/pci/use.ts';
import { perhapsOpen } from '../../../src/observe/uses/closed-nodes.ts';
import { audio, gpu } from '../../plan/snapshots.ts';
import { fakeHost } from '../../host/fake-host.ts';

const CARD = { device: gpu().address, path: '/dev/dri/card1' };
const RENDER = { device: gpu().address, path: '/dev/dri/renderD129' };
const VIDEO = { device: gpu().address, path: '/dev/video0' };
const CONTROL = { device: audio().address, path: '/dev/snd/controlC1', waits: true } as const;
const nodes = [CARD, RENDER, VIDEO, CONTROL];
const bound = [
  { address: gpu().address, driverModule: 'amdgpu' },
  { address: audio().address, driverModule: 'snd_hda_intel' },
];

/** A host on which the modules have these counts; undefined: no such file. */
function host(
  counts: Readonly<Record<string, string | undefined>>,
  taint = '\n',
): ReturnType<typeof fakeHost> {
  const files: Record<string, string> = {};
  for (const [module, count] of Object.entries(counts)) {
    if (count !== undefined) files[`/sys/module/${module}/refcnt`] = count;
    files[`/sys/module/${module}/taint`] = taint;
  }
  return fakeHost({ files });
}

const IDLE = { amdgpu: '0\n', snd_hda_intel: '0\n' };

/** The machine as it is, and as one that does not count users of modules. */
function twice(machine: Machine): readonly [counting: Host, other: Host] {
  const counting = machine.host();
  const read: Host['read'] = (path, size) =>
    path.endsWith('/refcnt') ? undefined : counting.read(path, size);
  return [counting, { ...counting, read }];
}

describe('perhapsOpen', () => {
  it('leaves the nodes of modules out that nobody uses, and no others', () => {
    assert.deepEqual(perhapsOpen(host(IDLE), bound, nodes), [VIDEO]);
    assert.deepEqual(perhapsOpen(host({ ...IDLE, amdgpu: '1\n' }), bound, nodes), [CARD, RENDER, VIDEO]);
    assert.deepEqual(perhapsOpen(host({ ...IDLE, snd_hda_intel: '4\n' }), bound, nodes), [VIDEO, CONTROL]);
  });

  for (const [what, count] of [
    ['has none, being built in', undefined],
    ['is no number', '\n'],
    ['is another number that looks like it', '00\n'],
    ['is less than none, while the module goes', '-1\n'],
  ] as const) {
    it(`has all of them where the count ${what}`, () => {
      assert.deepEqual(perhapsOpen(host({ amdgpu: count, snd_hda_intel: count }), bound, nodes), nodes);
    });
  }

  for (const [what, taint] of [
    ['from outside of the kernel', 'OE\n'],
    ['that is proprietary', 'P\n'],
  ] as const) {
    it(`has all of them for a module ${what}`, () => {
      assert.deepEqual(perhapsOpen(host(IDLE, taint), bound, nodes), nodes);
    });
  }

  it('has all of them where the kernel does not say where the module is from', () => {
    const files = { '/sys/module/amdgpu/refcnt': '0\n', '/sys/module/snd_hda_intel/refcnt': '0\n' };
    assert.deepEqual(perhapsOpen(fakeHost({ files }), bound, nodes), nodes);
  });

  it('an unsigned module is as good as another one', () => {
    assert.deepEqual(perhapsOpen(host(IDLE, 'E\n'), bound, nodes), [VIDEO]);
  });

  it('has all of them of a driver without a module, and of a device that is not told of', () => {
    const builtIn = [{ address: gpu().address }, ...bound.slice(1)];
    assert.deepEqual(perhapsOpen(host(IDLE), builtIn, nodes), [CARD, RENDER, VIDEO]);
    assert.deepEqual(perhapsOpen(host(IDLE), [], nodes), nodes);
  });

  it('has those of a driver whose nodes another module serves', () => {
    const nvidia = [{ address: gpu().address, driverModule: 'nvidia' }];
    assert.deepEqual(perhapsOpen(host({ nvidia: '0\n' }), nvidia, [CARD]), [CARD]);
  });

  for (const title of ['amd-rdna3-desktop', 'intel-arc', 'nvidia-desktop', 'lab-q35', 'laptop-hybrid']) {
    it(`what is held is found as well by a look at everybody: ${title}`, async () => {
      const spec = readDescription(`examples/hosts/${title}.yaml`);
      const all = spec.devices.flatMap((each) => each.nodes);
      const isHeld = ({ reason }: DeviceUse): boolean => reason === 'held';
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(fc.constantFrom(...all), { maxLength: 3 }), async (paths) => {
          const machine = createMachine({ ...spec, processes: [] });
          for (const path of paths) machine.perform({ do: 'hold-node', path, program: 'program' });
          const [counting, other] = twice(machine);
          const { devices } = await takeSnapshot(counting, allGroups(counting), {
            deadlineMs: 1000,
            uses: 'unread',
          });
          const found = (await readUses(counting, devices, 1000)).filter(isHeld);
          assert.deepEqual(found, (await readUses(other, devices, 1000)).filter(isHeld));
        }),
        { numRuns: 30 },
      );
    });
  }

  it('reads the files of a module once, and none where there are no nodes', () => {
    const idle = host(IDLE);
    const read: string[] = [];
    const watched = {
      ...idle,
      read: (path: string) => {
        read.push(path);
        return idle.read(path);
      },
    };
    perhapsOpen(watched, bound, nodes);
    assert.equal(new Set(read).size, read.length);
    read.length = 0;
    perhapsOpen(watched, bound, []);
    assert.deepEqual(read, []);
  });
});
