import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Config, DeviceRule } from '../../src/config/config.ts';
import type { Hostdev, PciHostdev } from '../../src/domain/domain.ts';
import { decideStart } from '../../src/engine/plan-start.ts';
import { refusalError } from '../../src/engine/make-plan.ts';
import { VfioHookError } from '../../src/errors.ts';
import { allGroups } from '../../src/observe/take-snapshot.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { useReasons } from '../../src/pci/use.ts';
import { guest, pci, scenarios, type Scenario } from '../scenario.ts';

const CARD = '0000:03:00.0';
const SOUND = '0000:03:00.1';
/** Of the machine server-8-gpu, whose kernel has a variant driver for it. */
const FUNCTION = '0000:b1:00.2';

type Devices = readonly (string | Hostdev)[];

/** What `plan` says of a start: the code and the sentence that refuse it, or that it may go on. */
async function verdictOf(scenario: Scenario, devices: Devices): Promise<string> {
  try {
    const planned = await decideStart(scenario.engine(), guest('win11', ...devices));
    if (!planned) return 'nothing to do';
    const refused = refusalError(planned.plan);
    return refused ? said(refused) : 'may start';
  } catch (error) {
    return said(error);
  }
}

/** What the hook says. */
function outcomeOf(scenario: Scenario, devices: Devices): Promise<string> {
  return scenario
    .prepare(guest('win11', ...devices))
    .then(() => (devices.length === 0 ? 'nothing to do' : 'may start'), said);
}

function said(error: unknown): string {
  assert.ok(error instanceof VfioHookError, String(error));
  return `${error.code}: ${error.message}`;
}

/** A card whose XML asks for a driver. */
function modelled(model: string, address = CARD): PciHostdev {
  return { kind: 'pci', address: pci(address), managed: true, model };
}

function asking(driver: string): Partial<Config> {
  return { devices: [{ match: { by: 'address', address: pci(CARD) }, bars: new Map(), driver }] };
}

describe('decideStart', () => {
  const open = scenarios();
  const rows: Readonly<
    Record<string, readonly [prepare: (scenario: Scenario) => unknown, devices: Devices]>
  > = {
    'a free card': [() => undefined, [CARD]],
    'no device': [() => undefined, []],
    'a device that is not there': [() => undefined, ['0000:7f:00.0']],
    'a device of another guest': [(on) => on.prepare(guest('rival', SOUND)), [CARD]],
    'an open group': [
      async (on) => {
        await on.prepare(guest('win11', CARD));
        on.happens({ do: 'open-group', devices: [CARD, SOUND], guest: 'win11' });
      },
      [CARD],
    ],
    'a claim that cannot be read': [
      async (on) => {
        await on.prepare(guest('rival', '0000:0f:00.3'));
        on.damage('00000000-1111-4222-8333-444444444444.json', 'torn');
      },
      [CARD],
    ],
    'a write that has not returned': [
      async (on) => {
        on.config = { ...on.config, timeouts: { ...on.config.timeouts, kernelWrite: 300 } };
        on.fault({ kind: 'hang' }, { path: '*/snd_hda_intel/unbind' });
        await assert.rejects(on.prepare(guest('rival', CARD)));
      },
      [CARD],
    ],
    'a bridge': [() => undefined, ['0000:02:00.0']],
    'a card that answers all ones': [
      (on) => {
        on.happens({ do: 'lose', device: CARD });
      },
      [CARD],
    ],
    'a driver of the host in the XML': [() => undefined, [modelled('nvme')]],
    'a driver in the XML that does not exist': [() => undefined, [modelled('nosuch')]],
    'vfio-pci in the XML': [() => undefined, [modelled('vfio_pci')]],
    'a driver of the host in the configuration': [(on) => Object.assign(on.config, asking('amdgpu')), [CARD]],
    'a driver in the configuration that does not exist': [
      (on) => Object.assign(on.config, asking('nosuch')),
      [CARD],
    ],
  };
  for (const [title, [before, devices]] of Object.entries(rows)) {
    it(`${title}: says what prepare says`, async () => {
      const scenario = open();
      await before(scenario);
      const verdict = await verdictOf(scenario, devices);
      assert.equal(verdict, await outcomeOf(scenario, devices));
    });
  }

  for (const [title, machine, sentence] of [
    [
      'interrupts that are not remapped',
      { files: { '/proc/interrupts': '  1: 0 IO-APIC 1-edge\n 24: 0 PCI-MSI 1-edge\n' } },
      /^VH_REFUSED: .*interrupts are not remapped/,
    ],
    ['a kernel without VFIO', { modules: [] }, /^VH_REFUSED: .*has no module vfio-pci and vfio-iommu-type1$/],
  ] as const) {
    it(`${title}: refuses as the doctor does, before any write`, async () => {
      const scenario = open({ machine });
      const verdict = await verdictOf(scenario, [CARD]);
      assert.match(verdict, sentence);
      assert.equal(await outcomeOf(scenario, [CARD]), verdict);
      assert.deepEqual(scenario.writes(), []);
      scenario.nothingDiffers();
    });
  }

  it('changes nothing: no write, no claim, no lock', async () => {
    const scenario = open();
    assert.equal(await verdictOf(scenario, [CARD]), 'may start');
    assert.deepEqual(scenario.writes(), []);
    scenario.nothingDiffers();
  });
});

describe('a model in the XML', () => {
  const open = scenarios();

  for (const model of ['nvme', 'amdgpu', 'pci-stub', 'nosuch', 'vfio', 'vfio-pci-x']) {
    it(`${model} is refused as bad XML, before any write and any module`, async () => {
      const scenario = open();
      assert.equal(
        await verdictOf(scenario, [modelled(model)]),
        `VH_XML: the XML of guest "win11" asks for the driver "${model}" for ${CARD}, which is no vfio driver of this kernel`,
      );
      assert.match(await outcomeOf(scenario, [modelled(model)]), /^VH_XML: /);
      assert.deepEqual(scenario.writes(), []);
      scenario.nothingDiffers();
    });
  }

  it('may be one that a vfio_pci: line of this kernel offers, with either spelling', async () => {
    for (const model of ['mlx5_vfio_pci', 'mlx5-vfio-pci']) {
      const scenario = open({ host: 'server-8-gpu' });
      assert.equal(await outcomeOf(scenario, [modelled(model, FUNCTION)]), 'may start');
      assert.equal(scenario.driver(FUNCTION), 'mlx5_vfio_pci');
    }
  });
});

describe('a dry run and a start', () => {
  const open = scenarios();
  const machines = readdirSync(fileURLToPath(new URL('../../examples/hosts/', import.meta.url)))
    .map((name) => name.replace(/\.yaml$/, ''))
    .sort();

  /** What a configuration may ask for, for one device of a group. */
  const mutations: readonly Partial<DeviceRule>[] = [
    {},
    // What is held may be waited for without end: whoever allows that all the same meets it.
    { allow: useReasons.filter((reason) => reason !== 'held') },
    { driver: 'vfio-pci' },
    { driver: 'pci-stub' },
    { driver: 'xhci_hcd' },
    { driver: 'nosuch' },
    { bars: new Map([[0, 2 ** 40]]) },
    { bars: new Map([[2, 8 * 2 ** 20]]) },
  ];

  /** Every n-th group, so that no machine takes longer than the others. */
  const MOST_GROUPS = 6;

  for (const host of machines) {
    it(`${host}: the same verdict on a group, whatever the configuration asks for`, async () => {
      const machine = open({ host }).machine.host();
      const groups = allGroups(machine);
      const step = Math.ceil(groups.length / MOST_GROUPS);
      for (const number of groups.filter((_, index) => index % step === 0)) {
        const [address = '', ...others] = machine.list(sysfs.groupDevices(number)) ?? [];
        for (const wish of mutations) {
          const devices = [address, ...others].map((each): DeviceRule => ({
            match: { by: 'address', address: pci(each) },
            bars: new Map(),
            ...wish,
          }));
          const scenario = open({ host, config: { devices } });
          const verdict = await verdictOf(scenario, [address]);
          assert.equal(verdict, await outcomeOf(scenario, [address]), `${address} ${JSON.stringify(wish)}`);
        }
      }
    });
  }
});
