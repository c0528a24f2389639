import assert from 'node:assert/strict';
import type { CardRule } from '../../src/config/config.ts';
import type { Domain, PciHostdev } from '../../src/domain/domain.ts';
import { claimChosen, withChosen } from '../../src/engine/claim-chosen.ts';
import { failureOf, guest, pci, scenarios, type Scenario } from '../scenario.ts';

/** Functions that the administrator has made. */
const [THERE, OTHER] = ['0000:17:02.0', '0000:17:02.1'] as const;
/** One without any. */
const CARD = pci('0000:17:00.1');
const [FIRST, SECOND] = ['0000:17:0a.0', '0000:17:0a.1'] as const;

/** A guest as libvirt shows it at start: with these functions of a pool besides. */
function started(name: string, chosen: readonly string[], ...devices: readonly string[]): Domain {
  const { hostdevs, ...rest } = guest(name, ...devices);
  const functions = chosen.map((address): PciHostdev => ({
    kind: 'interface',
    address: pci(address),
    managed: true,
  }));
  return { ...rest, hostdevs: [...hostdevs, ...functions] };
}

/** As libvirt does it, between prepare and start. */
async function libvirtTakes(on: Scenario, function_: string): Promise<void> {
  await on.moveByHand(function_, 'vfio-pci');
}

/** As libvirt does it, between stopped and release. */
async function libvirtGivesBack(on: Scenario, function_: string): Promise<void> {
  await on.byHand('/sys/bus/pci/drivers/vfio-pci/unbind', function_);
  await on.byHand(`/sys/bus/pci/devices/${function_}/driver_override`, '');
  await on.byHand('/sys/bus/pci/drivers_probe', function_);
}

describe('a function that libvirt chooses from the pool of a network', () => {
  const open = scenarios();
  const nic = (...sriov: readonly CardRule[]): Scenario => open({ host: 'sriov-nic', config: { sriov } });

  async function starts(on: Scenario, name: string, chosen: string, ...devices: string[]): Promise<void> {
    await on.prepare(guest(name, ...devices));
    await on.machine.host().loadModule('vfio-pci', 100);
    await libvirtTakes(on, chosen);
    on.writes();
    const host = on.machine.host();
    await claimChosen({ ...on.engine(), host }, started(name, [chosen], ...devices));
  }

  it('is claimed when the guest starts, beside what it has, and is libvirt’s to give back', async () => {
    const on = nic();
    await starts(on, 'a', THERE, OTHER);
    assert.deepEqual(on.writes(), []);
    const [claim] = on.claims();
    assert.deepEqual(
      claim?.devices.map(({ address, chosen = false }) => [address, chosen]),
      [
        [THERE, true],
        [OTHER, false],
      ],
    );
    assert.equal(claim.state, 'held');
    await libvirtGivesBack(on, THERE);
    await on.release('a');
    assert.equal(on.driver(OTHER), 'iavf');
    assert.ok(!on.log.some(({ severity }) => severity === 'warning'));
    on.nothingDiffers();
  });

  it('is nobody else’s then', async () => {
    const on = nic();
    await starts(on, 'a', THERE);
    const { code, message } = await failureOf(on.prepare(guest('b', THERE)));
    assert.equal(code, 'VH_BUSY');
    assert.match(message, /guest "a" holds it$/);
  });

  it('that somebody else holds keeps the guest from its start, and its other devices for its release', async () => {
    const on = nic();
    await on.prepare(guest('b', THERE));
    await on.prepare(guest('a', OTHER));
    const { code, message } = await failureOf(claimChosen(on.engine(), started('a', [THERE], OTHER)));
    assert.equal(code, 'VH_BUSY');
    assert.match(message, /^cannot give 0000:17:02.0 to guest "a": guest "b" holds it$/);
    assert.equal(on.driver(OTHER), 'vfio-pci');
    await on.release('a');
    await on.release('b');
    on.nothingDiffers();
  });

  it('keeps the functions of its card, and what libvirt leaves of its address is cleared', async () => {
    const on = nic({ pf: CARD, vfs: 4, autoprobe: true });
    await on.prepare(guest('b', SECOND));
    await on.prepare(guest('a'));
    const before = on.machine.state().devices[CARD]?.vfSettings?.[0];
    await libvirtTakes(on, FIRST);
    const ip = (line: string): Promise<unknown> => on.machine.host().run('ip', line.split(' '), 100);
    await ip('link set dev enp23s0f1 vf 0 mac 52:54:00:00:00:42');
    await claimChosen(on.engine(), started('a', [FIRST]));
    await on.release('b').catch(() => undefined);
    assert.equal(on.fact(`${CARD} virtual functions`), '4');
    await on.prepare(guest('b', SECOND));
    await ip('link set dev enp23s0f1 vf 0 mac 52:54:00:00:00:41');
    await libvirtGivesBack(on, FIRST);
    await on.release('a');
    assert.deepEqual(on.machine.state().devices[CARD]?.vfSettings?.[0], before);
    await on.release('b');
    on.nothingDiffers();
  });

  it('is named where its card is wanted as a whole', async () => {
    // Without the default route, which would be said first.
    const on = open({ host: 'sriov-nic', machine: { files: {}, wideRoutes: '' } });
    await starts(on, 'a', THERE);
    const { code, message, hints } = await failureOf(on.prepare(guest('b', '0000:17:00.0')));
    assert.equal(code, 'VH_REFUSED');
    assert.equal(
      message,
      'cannot give 0000:17:00.0 to guest "b": it has 4 virtual functions, which go with it: guest "a" has 0000:17:02.0',
    );
    assert.match(JSON.stringify(hints), /end whoever has them first/);
  });

  it('is claimed once, however often the guest is looked at', async () => {
    const on = nic();
    await starts(on, 'a', THERE);
    const claims = on.claims();
    await claimChosen(on.engine(), started('a', [THERE]));
    assert.deepEqual(on.claims(), claims);
    assert.equal(
      withChosen(guest('a', THERE), () => false),
      undefined,
    );
  });
});
