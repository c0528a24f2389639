import assert from 'node:assert/strict';
import type { Call } from '../../src/cli/command.ts';
import { readDevice, readSelection } from '../../src/cli/selection.ts';
import { hintText } from '../../src/hint.ts';
import { VfioHookError } from '../../src/errors.ts';
import { createMachine } from '../../simulator/machine.ts';
import { machineSpec, pci } from '../scenario.ts';

const MIB = 2 ** 20;

const call = (
  operands: readonly string[],
  options: Readonly<Record<string, string | true>> = {},
  bar?: string,
): Call => ({
  operands,
  options: new Map(Object.entries(options)),
  lists: new Map(bar === undefined ? [] : [['bar', [bar]]]),
});
const select = (given: Call, host = 'amd-rdna3-desktop'): ReturnType<typeof readSelection> =>
  readSelection(given, createMachine(machineSpec(host)).host());

function error(action: () => unknown): string {
  try {
    action();
  } catch (thrown) {
    assert.ok(thrown instanceof VfioHookError);
    return `${thrown.code}: ${[thrown.message, ...thrown.hints.map(hintText)].join('; ')}`;
  }
  return assert.fail('it was accepted');
}

describe('readSelection', () => {
  it('takes addresses in each of their forms, in order, each once', () => {
    const { devices, isPattern } = select(call(['pci_0000_0f_00_3', '03:00.0', '0000:03:00.0']));
    assert.deepEqual([devices, isPattern], [['0000:03:00.0', '0000:0f:00.3'], false]);
  });

  it('takes sizes of BARs after an address and by --bar', () => {
    const { bars } = select(call(['03:00.0,bar2=8MiB,bar0=256M'], {}, '0000:03:00.0:2=64MiB'));
    assert.deepEqual(
      bars,
      new Map([
        [
          pci('03:00.0'),
          new Map([
            [2, 64 * MIB],
            [0, 256 * MIB],
          ]),
        ],
      ]),
    );
    assert.deepEqual(select(call(['03:00.0'])).bars, new Map());
  });

  const patterns: readonly (readonly [
    host: string,
    options: Readonly<Record<string, string | true>>,
    devices: readonly string[],
  ])[] = [
    ['amd-rdna3-desktop', { 'device-id': '1002:744C' }, ['0000:03:00.0']],
    ['server-8-gpu', { 'device-id': '15b3:101e' }, ['0000:b1:00.2', '0000:b1:00.3']],
    // The APU's USB controller is of another vendor and stays with the host.
    ['amd-rdna3-desktop', { all: true }, ['0000:03:00.0', '0000:03:00.1', '0000:0f:00.0', '0000:0f:00.1']],
    ['nvidia-desktop', { vendor: '10DE' }, ['0000:01:00.0', '0000:01:00.1', '0000:01:00.2', '0000:01:00.3']],
    ['nvidia-desktop', { vendor: '8086' }, ['0000:00:02.0']],
    ['nvidia-desktop', { vendor: '0x8086' }, ['0000:00:02.0']],
    ['nvidia-desktop', { vendor: 'Intel' }, ['0000:00:02.0']],
    ['server-8-gpu', { 'device-id': '0x15b3:0x101e' }, ['0000:b1:00.2', '0000:b1:00.3']],
  ];
  for (const [host, options, devices] of patterns) {
    it(`of ${host} with ${JSON.stringify(options)}: ${devices.join(', ')}`, () => {
      assert.deepEqual(select(call([], options), host), {
        devices,
        companions: [],
        bars: new Map(),
        isPattern: true,
      });
    });
  }

  it('checks the vendor of named devices', () => {
    const { devices, isPattern } = select(call(['03:00.0'], { vendor: 'amd' }));
    assert.deepEqual([devices, isPattern], [['0000:03:00.0'], false]);
  });

  it('takes an address for --device-id, as vfio-manage does', () => {
    const { devices, isPattern } = select(call([], { 'device-id': '0000:03:00.0' }));
    assert.deepEqual([devices, isPattern], [['0000:03:00.0'], false]);
  });

  /** The card with each function in a group of its own, or in the one that the machine has. */
  const companions = (named: readonly string[], apart: boolean): readonly string[] => {
    const spec = machineSpec('nvidia-desktop');
    const devices = spec.devices.map((device, index) => ({
      ...device,
      ...(apart && { group: 100 + index }),
    }));
    return readSelection(call(named), createMachine({ ...spec, devices }).host()).companions;
  };

  it('a card comes with its functions that are in groups of their own, unless they are named', () => {
    const others = ['0000:01:00.1', '0000:01:00.2', '0000:01:00.3'];
    assert.deepEqual(companions(['01:00.0'], true), others);
    assert.deepEqual(companions(['01:00.0', '01:00.1', '01:00.3'], true), ['0000:01:00.2']);
    assert.deepEqual(companions(['01:00.1'], true), []);
    assert.deepEqual(companions(['01:00.0'], false), []);
  });

  const wrong: readonly (readonly [given: Call, said: string])[] = [
    [call([]), 'VH_USAGE: no device is named; give addresses, or one of --device-id, --vendor and --all'],
    [
      call(['03:00.0'], { all: true }),
      'VH_USAGE: ADDRESS and --all do not go together; give addresses, or one of --device-id, --vendor and --all',
    ],
    [
      call([], { all: true, vendor: '10de' }),
      'VH_USAGE: --vendor and --all do not go together; give addresses, or one of --device-id, --vendor and --all',
    ],
    [call(['3:0']), 'VH_USAGE: "3:0" is no PCI address; write it as lspci -D prints it: 0000:01:00.0'],
    [
      call(['\u001b[2J']),
      'VH_USAGE: "\\u{1b}[2J" is no PCI address; write it as lspci -D prints it: 0000:01:00.0',
    ],
    [call(['03:00.0,bar6=8MiB']), 'VH_USAGE: "bar6=8MiB" is no size of a BAR; write 03:00.0,bar2=8MiB'],
    [
      call(['03:00.0,bar2=9MiB']),
      'VH_USAGE: "9MiB" is no BAR size; write a power of two from 1MiB to 128TiB, such as 8MiB',
    ],
    [
      call(['03:00.0'], {}, '2=8MiB'),
      'VH_USAGE: "2=8MiB" is no size of a BAR; write --bar 0000:01:00.0:2=8MiB',
    ],
    [
      call([], { vendor: 'matrox' }),
      'VH_USAGE: "matrox" is no vendor; write nvidia, amd, intel, or an id as lspci -nn does: 10de',
    ],
    [
      call(['0f:00.3', '03:00.0'], { vendor: '0x10de' }),
      'VH_REFUSED: 0000:03:00.0 is no device of NVIDIA: its vendor is 1002; compare with: lspci -nns 0000:03:00.0',
    ],
    [
      call([], { 'device-id': '10de' }),
      'VH_USAGE: "10de" is no vendor and device id; write them as lspci -nn does: 10de:2204',
    ],
    [
      call([], { 'device-id': '10de:2204' }),
      'VH_NO_DEVICE: no device of this host has the id 10de:2204; compare with: lspci -nn',
    ],
    [
      call([], { vendor: '10de' }),
      'VH_NO_DEVICE: this host has no graphics card of NVIDIA; compare with: lspci -nn',
    ],
  ];
  for (const [given, said] of wrong) {
    it(`says ${said.split(';')[0] ?? ''}`, () => {
      assert.equal(
        error(() => select(given)),
        said,
      );
    });
  }
});

describe('readDevice', () => {
  it('reads an address with nothing behind it', () => {
    assert.deepEqual(readDevice('01:00.0'), { address: pci('01:00.0'), bars: new Map() });
  });
});
