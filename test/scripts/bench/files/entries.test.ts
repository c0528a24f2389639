import assert from 'node:assert/strict';
import { directory, link, text, type Directory } from '../../../../simulator/tree.ts';
import { difference, entriesOf, type Entries } from '../../../../scripts/bench/files/entries.ts';

function machine(driver: string | undefined, vendor = '0x1002\n'): Directory {
  return directory({
    sys: directory({
      device: directory({
        vendor: text(() => vendor),
        unbind: { kind: 'file', store: () => ({ kind: 'done' }) },
        driver_override: { kind: 'file', text: () => '(null)\n', store: () => ({ kind: 'done' }) },
        broken: text(() => {
          throw new Error('EINVAL');
        }),
        ...(driver !== undefined && { driver: link(`/sys/drivers/${driver}`) }),
        ...(driver === 'vfio-pci' && { 'vfio-dev': directory({ vfio1: directory({}) }) }),
      }),
    }),
    dev: directory({ null: { kind: 'node', open: () => 'free' } }),
    proc: directory({ cmdline: text(() => 'ro\n') }),
  });
}

function entries(driver: string | undefined, vendor?: string): Entries {
  return entriesOf(machine(driver, vendor), ['/sys']);
}

describe('a machine as plain files', () => {
  it('has what lies below the directories that are asked for, and links as sysfs shows them', () => {
    assert.deepEqual(
      [...entries('amdgpu')],
      [
        ['/sys', { kind: 'directory' }],
        ['/sys/device', { kind: 'directory' }],
        ['/sys/device/vendor', { kind: 'file', content: '0x1002\n' }],
        ['/sys/device/unbind', { kind: 'attribute', mode: 0o200 }],
        ['/sys/device/driver_override', { kind: 'attribute', mode: 0o644 }],
        ['/sys/device/driver', { kind: 'link', target: '../drivers/amdgpu' }],
      ],
    );
  });

  it('has device nodes as empty files, and single files', () => {
    assert.deepEqual(
      [...entriesOf(machine('amdgpu'), ['/dev', '/proc/cmdline', '/proc/none'])],
      [
        ['/dev', { kind: 'directory' }],
        ['/dev/null', { kind: 'file', content: '' }],
        ['/proc/cmdline', { kind: 'file', content: 'ro\n' }],
      ],
    );
  });

  it('does not change when nothing has', () => {
    assert.deepEqual(difference(entries('amdgpu'), entries('amdgpu')), { gone: [], fresh: [] });
  });

  it('changes a link by taking it away first, and a text in place', () => {
    assert.deepEqual(difference(entries('amdgpu'), entries('nouveau', '0x10de\n')), {
      gone: ['/sys/device/driver'],
      fresh: [
        ['/sys/device/vendor', { kind: 'file', content: '0x10de\n' }],
        ['/sys/device/driver', { kind: 'link', target: '../drivers/nouveau' }],
      ],
    });
  });

  it('makes a directory before, and takes it away after, what is in it', () => {
    const { fresh } = difference(entries(undefined), entries('vfio-pci'));
    assert.deepEqual(
      fresh.map(([path]) => path),
      ['/sys/device/driver', '/sys/device/vfio-dev', '/sys/device/vfio-dev/vfio1'],
    );
    assert.deepEqual(difference(entries('vfio-pci'), entries(undefined)).gone, [
      '/sys/device/vfio-dev/vfio1',
      '/sys/device/vfio-dev',
      '/sys/device/driver',
    ]);
  });
});
