import assert from 'node:assert/strict';
import type { Domain } from '../../src/domain/domain.ts';
import type { FaultDescription } from '../../simulator/operation.ts';
import { failureOf, guest, pci, scenarios, type Scenario, type ScenarioOptions } from '../scenario.ts';

const MDEV = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
const [VF, NEXT] = [pci('0000:41:00.4'), pci('0000:41:00.5')] as const;

interface Row {
  readonly what: string;
  readonly options: ScenarioOptions;
  readonly first: Domain;
  /** The same guest as it is started again. */
  readonly then: Domain;
  /** What does not return in the kernel while the first is given back. */
  readonly hangs: FaultDescription;
}

const hang = { id: 'late', effect: { kind: 'hang' } } as const;
const rows: readonly Row[] = [
  {
    what: 'a mediated device that has left its bus, and is not gone',
    options: {
      host: 'lab-q35',
      config: { mdev: [{ uuid: MDEV, parent: 'auto', type: 'labvgpu-1', attributes: [] }] },
    },
    first: guest('a', { kind: 'mdev', uuid: MDEV, managed: false }),
    then: guest('a'),
    hangs: { ...hang, on: 'remove', path: `vfio_mdev/${MDEV}` },
  },
  {
    what: 'a vGPU that the late write would take from whoever has the function next',
    options: {
      host: 'nvidia-vgpu-server',
      config: { vgpu: [VF, NEXT].map((vf) => ({ vf, type: 1152 })) },
    },
    first: guest('a', VF),
    then: guest('a', NEXT),
    hangs: { ...hang, path: `/sys/bus/pci/devices/${VF}/nvidia/current_vgpu_type`, value: '0' },
  },
  {
    what: 'a device that the late write would take from whoever has it next',
    options: {},
    first: guest('a', '0000:0f:00.1'),
    then: guest('a', '0000:0f:00.3'),
    hangs: { ...hang, path: '/sys/bus/pci/drivers/vfio-pci/unbind', value: '0000:0f:00.1' },
  },
];

describe('a start that wants something else than what a release has left in the kernel that died', () => {
  const open = scenarios();

  for (const { what, options, first, then, hangs } of rows) {
    it(`leaves it claimed, and starts once the write has returned: ${what}`, async () => {
      const on = open(options);
      on.hasOwnConfig = true;
      await on.prepare(first);
      on.happens({ do: 'fault', rule: hangs });
      await diesInItsWrite(on);
      on.writes();
      const { code, message } = await failureOf(on.prepare(then));
      assert.equal(code, 'VH_INCOMPLETE');
      assert.match(
        message,
        /^cannot start guest "a": what its earlier run had .*still waiting in the kernel: /,
      );
      assert.deepEqual(on.writes(), []);
      assert.deepEqual(
        on.claims().map(({ state, stuck }) => [state, stuck.length]),
        [['stuck', 1]],
      );
      on.happens({ do: 'release-fault', id: 'late' }, { do: 'clear-faults' });
      await on.prepare(then);
      await on.release('a');
      on.nothingDiffers();
    });
  }
});

/** A release that is killed while the kernel is at its write. */
async function diesInItsWrite(on: Scenario): Promise<void> {
  on.wrapHost = (real) => ({
    ...real,
    write: async (...args) => {
      const result = await real.write(...args);
      if (result.kind === 'stuck') real.die();
      return result;
    },
  });
  await on.release('a').catch(() => undefined);
  on.wrapHost = (real) => real;
}
