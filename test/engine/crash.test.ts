import assert from 'node:assert/strict';
import type { Claim } from '../../src/claim/claim.ts';
import { defaultConfig, type Config } from '../../src/config/config.ts';
import { SimulatedKill } from '../../src/host/simulated/host.ts';
import { guest, scenarios, type Scenario, type ScenarioOptions } from '../scenario.ts';

const MIB = 2 ** 20;

const smallBar = (bar: number): Partial<Config> => ({
  ...defaultConfig,
  devices: [{ match: { by: 'class', word: 'vga' }, bars: new Map([[bar, 64 * MIB]]) }],
});

/** The machines of the sweep, with a guest that needs every kind of write. */
const machines: readonly (ScenarioOptions & {
  readonly host: string;
  readonly device: string;
  readonly everyEnding: boolean;
})[] = [
  { host: 'amd-rdna3-desktop', device: '0000:03:00.0', config: smallBar(2), everyEnding: true },
  // Twice as many writes: for the sake of time one ending for each, in turn.
  { host: 'nvidia-desktop', device: '0000:01:00.0', config: smallBar(1), everyEnding: false },
];

/** How the machine comes to rest after a run has died: each must leave nothing different. */
const endings: Readonly<Record<string, (s: Scenario, device: string) => Promise<void>>> = {
  release: (s) => s.release('win11'),
  recover: async (s) => {
    s.time.now += 120_000;
    const recoveries = await s.recover();
    assert.ok(
      recoveries.every(({ outcome }) => outcome === 'restored'),
      JSON.stringify(recoveries),
    );
  },
  'prepare and release': async (s, device) => {
    await s.prepare(guest('win11', device));
    assert.equal(s.driver(device), 'vfio-pci');
    await s.release('win11');
  },
};

/** Runs until the process dies there. */
async function dies(s: Scenario, run: Promise<void>, where: string): Promise<void> {
  const writes = s.machine.state().faults.length;
  await run.then(
    () => assert.fail(`it lived through ${where}`),
    () => undefined,
  );
  s.happens({ do: 'clear-faults' });
  assert.equal(writes, 1);
}

async function tryEndings(
  s: Scenario,
  device: string,
  where: string,
  which: readonly string[] = Object.keys(endings),
): Promise<void> {
  const back = s.save();
  for (const [name, ending] of Object.entries(endings).filter(([each]) => which.includes(each))) {
    back();
    try {
      await ending(s, device);
      s.nothingDiffers();
    } catch (error) {
      throw new Error(`the process died ${where}, then ${name}`, { cause: error });
    }
  }
}

describe('a run that is killed', () => {
  const scenario = scenarios();

  for (const { device, everyEnding, ...options } of machines) {
    for (const phase of ['prepare', 'release'] as const) {
      it(`before or after any kernel write of ${phase} leaves nothing behind that cannot be put back: ${options.host}`, async function () {
        this.timeout(60_000);
        const s = scenario(options);
        const run = (): Promise<void> =>
          phase === 'prepare' ? s.prepare(guest('win11', device)) : s.release('win11');
        if (phase === 'release') await s.prepare(guest('win11', device));
        const back = s.save();
        s.writes();
        await run();
        const points = s.writes();
        assert.ok(points.length >= 8, points.join('\n'));

        const tried = new Set<string>();
        let nth = 0;
        for (const point of points) {
          const on = point.startsWith('load') ? 'load' : 'write';
          if (on === 'write') nth += 1;
          for (const when of ['before', 'after'] as const) {
            back();
            s.machine.perform({
              do: 'fault',
              rule: { on, nth: on === 'write' ? nth : 1, effect: { kind: 'kill', when } },
            });
            await dies(s, run(), `${when} ${point}`);
            // After one write is before the next one: each state that can be left is tried once.
            const left = JSON.stringify([
              s.observation(),
              s.claims().map((claim) => ({ ...claim, writer: 0 })),
            ]);
            if (tried.has(left)) continue;
            tried.add(left);
            const turn = Object.keys(endings)[tried.size % 3]!;
            await tryEndings(s, device, `${when} ${point}`, everyEnding ? undefined : [turn]);
          }
        }
        assert.ok(tried.size >= points.length - 1, 'nearly every write makes a state of its own');
      });
    }
  }

  for (const phase of ['prepare', 'release'] as const) {
    it(`before or after any change of the claim, in ${phase}`, async () => {
      const device = '0000:03:00.0';
      const s = scenario(machines[0]);
      if (phase === 'release') await s.prepare(guest('win11', device));
      const back = s.save();
      for (let nth = 1; ; nth += 1) {
        let changes = 0;
        for (const when of ['before', 'after'] as const) {
          back();
          changes = 0;
          s.wrapStore = (store, host) => {
            const mortal =
              <A>(change: (argument: A) => void) =>
              (argument: A) => {
                changes += 1;
                if (changes !== nth) {
                  change(argument);
                  return;
                }
                if (when === 'after') change(argument);
                host.die();
                throw new SimulatedKill();
              };
            return {
              ...store,
              write: mortal((claim: Claim) => {
                store.write(claim);
              }),
              remove: mortal((uuid: string) => {
                store.remove(uuid);
              }),
            };
          };
          await (phase === 'prepare' ? s.prepare(guest('win11', device)) : s.release('win11')).catch(
            () => undefined,
          );
          s.wrapStore = (store) => store;
          await tryEndings(s, device, `${when} change ${nth} of the claim`);
        }
        if (changes < nth) {
          assert.equal(nth, 3, 'two changes of the claim in each');
          return;
        }
      }
    });
  }

  it('while it puts back what another one left, and again, is put back by the third', async () => {
    const device = '0000:03:00.0';
    const s = scenario(machines[0]);
    for (const path of ['*/vfio-pci/bind', '*/resource2_resize', '*/amdgpu/bind']) {
      s.machine.perform({ do: 'fault', rule: { path, effect: { kind: 'kill', when: 'after' } } });
      await assert.rejects(
        path === '*/vfio-pci/bind' ? s.prepare(guest('win11', device)) : s.release('win11'),
      );
    }
    await s.release('win11');
    s.nothingDiffers();
  });

  it('together with the whole machine needs nothing: its claim died with the boot', async () => {
    const device = '0000:03:00.0';
    const s = scenario(machines[0]);
    await s.prepare(guest('win11', device));
    s.happens({ do: 'reboot' });
    s.writes();
    await s.release('win11');
    assert.deepEqual(await s.recover(), []);
    assert.deepEqual(s.writes(), []);
    s.nothingDiffers();
    await s.prepare(guest('win11', device));
    await s.release('win11');
    s.nothingDiffers();
  });
});
