import assert from 'node:assert/strict';
import { defaultConfig, type BetweenEntry, type Config } from '../../src/config/config.ts';
import { parseDeviceMatch } from '../../src/config/match.ts';
import { prepare } from '../../src/engine/prepare.ts';
import type { Host } from '../../src/host/host.ts';
import { hintText } from '../../src/hint.ts';
import { failureOf, guest, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const MIB = 2 ** 20;
const win11 = guest('win11', GPU, SOUND);

const between = (...entries: readonly BetweenEntry[]): Partial<Config> => ({
  ...defaultConfig,
  devices: [{ match: parseDeviceMatch(GPU)!, bars: new Map(), between: entries }],
});
const reset: BetweenEntry = { do: 'reset' };
const power: BetweenEntry = { do: 'power', to: 'on' };
const small: BetweenEntry = { do: 'bars', sizes: [{ bar: 2, size: 8 * MIB }] };
const script: BetweenEntry = { do: 'script', name: 'wake.sh' };
const flr = { [GPU]: { resetMethods: ['flr'] } };
const gone = [`amdgpu/unbind < ${GPU}`];

/** A start in which scripts run as `runScript` says. */
async function start(s: Scenario, runScript: Host['runScript']): Promise<void> {
  await prepare({ ...s.engine(), ...(runScript && { runScript }) }, win11);
}

describe('what is done between unbind and bind', () => {
  const scenario = scenarios();

  it('comes after the unbind and before the bind, in the order of the list, and is put back where it lasts', async () => {
    const s = scenario({
      config: between(power, script, reset, small),
      devicesOfHost: flr,
      vfioLoaded: true,
    });
    await s.byHand(`/sys/bus/pci/devices/${GPU}/power/control`, 'auto');
    const before = s.observation();
    const ran: string[] = [];
    await start(s, ({ device, guest: name, path }) => {
      ran.push(`${device} ${name} ${path} on ${s.driver(GPU)} after ${s.writes().length}`);
      return Promise.resolve(undefined);
    });
    assert.deepEqual(ran, [
      `${GPU} win11 /etc/libvirt/hooks/qemu.d/win11/prepare/between/wake.sh on none after 5`,
    ]);
    assert.deepEqual(s.writes(), [
      `${GPU}/reset < 1`,
      `${GPU}/resource2_resize < 3`,
      `vfio-pci/bind < ${GPU}`,
      `vfio-pci/bind < ${SOUND}`,
    ]);
    assert.deepEqual(s.claims()[0]?.devices[0]?.original.bars, [{ bar: 2, size: 256 * MIB }]);
    await s.release('win11');
    const back = s.writes();
    assert.ok(back.includes(`${GPU}/resource2_resize < 8`), back.join());
    assert.ok(back.includes(`${GPU}/power/control < auto`), back.join());
    assert.ok(!back.some((write) => write.includes('/reset <')), 'a reset is not repeated on the way back');
    s.nothingDiffers(before);
  });

  it('rolls the start back when a script fails, and says why with the code of scripts', async () => {
    const s = scenario({ config: between(small, script), devicesOfHost: flr, vfioLoaded: true });
    const error = await failureOf(
      start(s, () => Promise.resolve({ reason: 'it failed with status 3: no firmware', hints: [] })),
    );
    assert.equal(error.code, 'VH_SCRIPT');
    assert.equal(
      error.message,
      'cannot run the script wake.sh for 0000:03:00.0: it failed with status 3: no firmware; guest "win11" is not started and everything is as it was',
    );
    s.nothingDiffers();
  });

  for (const [errno, words] of [
    ['ENOTTY', /ENOTTY \(none of its reset methods works/],
    ['EAGAIN', /EAGAIN \(somebody else has the locks/],
    ['ENOENT', /ENOENT \(the kernel knows no way to reset it alone/],
  ] as const) {
    it(`rolls the start back when the kernel refuses the reset with ${errno}`, async () => {
      const s = scenario({ config: between(reset), devicesOfHost: flr, vfioLoaded: true });
      s.fault({ kind: 'fail', errno }, { path: `/sys/bus/pci/devices/${GPU}/reset` });
      const error = await failureOf(s.prepare(win11));
      assert.equal(error.code, 'VH_KERNEL');
      assert.match(error.message, words);
      s.nothingDiffers();
    });
  }

  it('leaves a reset that does not return to recover', async () => {
    const s = scenario({ config: between(reset), devicesOfHost: flr, vfioLoaded: true });
    s.fault({ kind: 'hang' }, { path: `/sys/bus/pci/devices/${GPU}/reset` });
    const error = await failureOf(s.prepare(win11));
    assert.equal(error.code, 'VH_STUCK');
    assert.equal(s.claims()[0]?.stuck[0]?.device, GPU);
  });

  it('is refused before the first change when the script must not run', async () => {
    const s = scenario({ config: between(script), devicesOfHost: flr, vfioLoaded: true });
    const findScript = () => ({ kind: 'refused', reason: 'it is not executable', hints: [] }) as const;
    const error = await failureOf(prepare({ ...s.engine(), findScript }, win11));
    assert.equal(error.code, 'VH_REFUSED');
    assert.match(error.message, /^cannot give 0000:03:00.0 to guest "win11": it is not executable$/);
    assert.deepEqual(s.writes(), []);
    s.nothingDiffers();
  });

  it('is refused before the first change when the device cannot be reset', async () => {
    const s = scenario({
      config: between(reset),
      devicesOfHost: { [GPU]: { resetMethods: [] } },
      vfioLoaded: true,
    });
    const error = await failureOf(s.prepare(win11));
    assert.match(error.message, /cannot be reset: the kernel knows no way to reset it alone/);
    assert.match(error.hints.map(hintText).join(), /take reset out of between/);
    assert.deepEqual(s.writes(), []);
  });

  it('fails where nobody runs scripts', async () => {
    const s = scenario({ config: between(script), devicesOfHost: flr, vfioLoaded: true });
    const error = await failureOf(s.prepare(win11));
    assert.match(error.message, /scripts run at the start of a guest only/);
    s.nothingDiffers();
  });

  it('is done for a detach as well, but for scripts, and once', async () => {
    const s = scenario({ config: between(script, reset), devicesOfHost: flr, vfioLoaded: true });
    await s.detach([GPU]);
    const writes = s.writes();
    assert.ok(writes.indexOf(`${GPU}/reset < 1`) > writes.indexOf(gone[0] ?? ''), writes.join());
    await s.detach([GPU]);
    assert.deepEqual(s.writes(), []);
    await s.reattach([GPU]);
    s.nothingDiffers();
  });
});
