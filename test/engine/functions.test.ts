import assert from 'node:assert/strict';
import type { DeviceSpec, VfSetting } from '../../simulator/spec.ts';
import type { CardRule, FunctionRule } from '../../src/config/config.ts';
import type { Domain } from '../../src/domain/domain.ts';
import { dieBefore, failureOf, guest, machineSpec, pci, scenarios, type Scenario } from '../scenario.ts';

/** A card without virtual functions, and two that it would have. */
const CARD = pci('0000:17:00.1');
const [FIRST, SECOND] = ['0000:17:0a.0', '0000:17:0a.1'] as const;
/** A card on which the administrator has made four. */
const MADE = pci('0000:17:00.0');
const THERE = '0000:17:02.0';
const MAC = '52:54:00:00:00:42';

const rule = (vf: number, settings: Omit<Partial<FunctionRule>, 'vf'> = {}): FunctionRule => ({
  scope: 'all',
  ...settings,
  vf,
});

describe('what a start sets of virtual functions', () => {
  const open = scenarios();

  interface Card extends Partial<CardRule> {
    readonly refuses?: readonly VfSetting[];
  }

  function nic({ refuses = [], ...card }: Card): Scenario {
    const of = (address: string): Partial<DeviceSpec> => {
      const { sriov } = machineSpec('sriov-nic').devices.find((each) => each.address === address) ?? {};
      return sriov?.net ? { sriov: { ...sriov, net: { ...sriov.net, refuses } } } : {};
    };
    return open({
      host: 'sriov-nic',
      devicesOfHost: { [CARD]: of(CARD), [MADE]: of(MADE) },
      config: { sriov: [{ pf: CARD, vfs: 4, autoprobe: false, ...card }] },
    });
  }
  const made = (card: Card): Scenario => {
    const on = nic({ pf: MADE, ...card });
    const { pf, autoprobe, unsetMacs = false, functions = [] } = on.config.sriov[0]!;
    on.config = { ...on.config, sriov: [{ pf, autoprobe, unsetMacs, functions }] };
    return on;
  };
  const sets = (on: Scenario): string[] => on.writes().filter((write) => write.startsWith('ip '));
  const settings = (on: Scenario, card: string, vf: number): object | undefined =>
    on.machine.state().devices[card]?.vfSettings?.[vf];

  function withInterface(name: string, ...addresses: readonly string[]): Domain {
    const { hostdevs, ...rest } = guest(name, ...addresses);
    return {
      ...rest,
      hostdevs: hostdevs.map((each) => ({ ...each, kind: 'interface', managed: true }) as typeof each),
    };
  }

  it('is set once they are there, and goes with them', async () => {
    const on = nic({ functions: [rule(0, { mac: MAC, vlan: 42, qos: 3, trust: true, maxTxRate: 100 })] });
    await on.prepare(guest('a', FIRST));
    assert.deepEqual(sets(on), [
      `ip link set dev enp23s0f1 vf 0 mac ${MAC}`,
      'ip link set dev enp23s0f1 vf 0 vlan 42 qos 3',
      'ip link set dev enp23s0f1 vf 0 trust on',
      'ip link set dev enp23s0f1 vf 0 max_tx_rate 100',
    ]);
    assert.equal(on.driver(FIRST), 'vfio-pci');
    assert.deepEqual(
      on.claims()[0]?.holds.map(({ kind, key }) => `${kind} ${key}`),
      [
        `vfs ${CARD}`,
        `vf-mac ${CARD} 0`,
        `vf ${CARD} 0 vlan`,
        `vf ${CARD} 0 trust`,
        `vf ${CARD} 0 max_tx_rate`,
      ],
    );
    await on.release('a');
    assert.deepEqual(sets(on), [], 'nothing of what goes with the card is put back');
    on.nothingDiffers();
  });

  it('is put back while another guest keeps the functions, so that the next one of them starts as new', async () => {
    const on = nic({ functions: [rule(0, { mac: MAC, vlan: 42, trust: true })] });
    await on.prepare(guest('a', FIRST));
    const fresh = settings(on, CARD, 1);
    await on.prepare(guest('b', SECOND));
    on.writes();
    await on.release('a');
    assert.deepEqual(sets(on), [
      'ip link set dev enp23s0f1 vf 0 trust off',
      'ip link set dev enp23s0f1 vf 0 vlan 0',
      'ip link set dev enp23s0f1 vf 0 mac 00:00:00:00:00:00',
    ]);
    assert.deepEqual(settings(on, CARD, 0), fresh);
    await on.release('b');
    on.nothingDiffers();
  });

  it('of those that were there before is put back, and an address as far as it may have been set before', async () => {
    const on = made({ functions: [rule(0, { mac: MAC, vlan: 42, spoofcheck: false, state: 'disable' })] });
    const before = settings(on, MADE, 0);
    const { mac } = on.machine.state().devices[THERE] ?? {};
    await on.prepare(guest('a', THERE));
    assert.deepEqual(settings(on, MADE, 0), {
      ...before,
      mac: MAC,
      macIsSet: true,
      vlan: 42,
      spoofchk: false,
      state: 'disable',
    });
    await on.release('a');
    assert.deepEqual(
      settings(on, MADE, 0),
      { ...before, macIsSet: true },
      'nobody knows whether it was set before',
    );
    assert.equal(on.machine.state().devices[THERE]?.mac, mac);
    on.nothingDiffers();
  });

  it('of an address is cleared where the configuration says that nobody sets any, and the interface has its own again', async () => {
    const on = made({ unsetMacs: true, functions: [rule(0, { mac: MAC })] });
    const before = structuredClone(settings(on, MADE, 0));
    const { mac } = on.machine.state().devices[THERE] ?? {};
    await on.prepare(guest('a', THERE));
    await on.release('a');
    assert.deepEqual(sets(on).slice(-2), [
      'ip link set dev enp23s0f0 vf 0 mac 00:00:00:00:00:00',
      `ip link set dev enp23s0f0v0 address ${mac ?? ''}`,
    ]);
    assert.deepEqual(settings(on, MADE, 0), before);
    on.nothingDiffers();
  });

  it('is what libvirt leaves of an <interface>, and not what it sets there', async () => {
    const on = nic({ autoprobe: true, functions: [rule(0, { mac: MAC, vlan: 42, trust: true })] });
    await on.prepare(withInterface('b', SECOND));
    on.writes();
    await on.prepare(withInterface('a', FIRST));
    assert.deepEqual(sets(on), ['ip link set dev enp23s0f1 vf 0 trust on']);
    const own = on.machine.state().devices[FIRST]?.mac ?? '';
    const before = { ...settings(on, CARD, 0), trust: false };
    // What libvirt does: the guest's address and tag, and at the end the old ones, which then are set.
    const host = on.machine.host();
    const ip = (line: string): Promise<unknown> => host.run('ip', line.split(' '), 100);
    await ip(`link set dev enp23s0f1 vf 0 mac ${MAC} vlan 42`);
    await ip(`link set dev enp23s0f1 vf 0 mac ${own} vlan 0`);
    on.writes();
    await on.release('a');
    assert.deepEqual(sets(on), [
      'ip link set dev enp23s0f1 vf 0 trust off',
      'ip link set dev enp23s0f1 vf 0 mac 00:00:00:00:00:00',
      `ip link set dev enp23s0f1v0 address ${own}`,
    ]);
    assert.deepEqual(settings(on, CARD, 0), before);
    await on.release('b');
    on.nothingDiffers();
  });

  it('that a driver takes no zeros for stays set, which is said and is no reason to keep a claim', async () => {
    const on = made({ unsetMacs: true, refuses: ['no-mac'], functions: [rule(0, { mac: MAC })] });
    await on.prepare(guest('a', THERE));
    await on.release('a').catch(() => undefined);
    assert.ok(
      on.log.some(({ result }) => result?.startsWith('done, but its driver takes no zeros (EADDRNOTAVAIL)')),
    );
  });

  it('that the driver has not is a reason not to start, and all is as it was', async () => {
    const on = made({ refuses: ['state'], functions: [rule(0, { trust: true, state: 'enable' })] });
    const { code, message } = await failureOf(on.prepare(guest('a', THERE)));
    assert.equal(code, 'VH_KERNEL');
    assert.match(
      message,
      /^cannot set state of virtual function 0 of 0000:17:00.0 to enable: EOPNOTSUPP \(the driver of the card has no such setting\); guest "a" is not started and everything is as it was$/,
    );
    on.nothingDiffers();
  });

  it('that ip(8) says it has set, and the card does not keep, is a failed step', async () => {
    const on = made({ functions: [rule(0, { trust: true })] });
    const effect = { kind: 'lie' } as const;
    on.happens({ do: 'fault', rule: { on: 'run', path: 'ip', value: '* trust on', effect } });
    const { message } = await failureOf(on.prepare(guest('a', THERE)));
    assert.match(
      message,
      /^cannot set trust of .* to on: the kernel reported success, but it reads off afterwards;/,
    );
    on.nothingDiffers();
  });

  it('is not looked at on a host without ip(8), which is said', async () => {
    const on = open({
      host: 'sriov-nic',
      machine: { unfitPrograms: { ip: 'ip: unrecognized option: json' } },
      config: { sriov: [{ pf: MADE, autoprobe: false, functions: [rule(0, { trust: true })] }] },
    });
    const { code, message } = await failureOf(on.prepare(guest('a', THERE)));
    assert.equal(code, 'VH_KERNEL');
    assert.match(
      message,
      /^ip -json -details link show dev enp23s0f0 does not tell: ip: unrecognized option: json$/,
    );
    on.nothingDiffers();
  });

  it('of a function that nobody makes is refused', async () => {
    const on = made({ functions: [rule(5, { trust: true })] });
    const { code } = await failureOf(on.prepare(guest('a', '0000:17:02.5')));
    assert.equal(code, 'VH_NO_DEVICE');
    on.nothingDiffers();
  });

  it('in a guest’s own file is of its own functions only', async () => {
    const on = made({ functions: [rule(1, { trust: true, scope: 'guest' })] });
    const { code, message } = await failureOf(on.prepare(guest('a', THERE)));
    assert.equal(code, 'VH_CONFIG');
    assert.equal(
      message,
      'the configuration of guest "a" sets virtual function 1 of 0000:17:00.0, which its XML does not assign',
    );
  });

  it('that somebody else has changed meanwhile stays, and is said', async () => {
    const on = made({ functions: [rule(0, { vlan: 42 })] });
    await on.prepare(guest('a', THERE));
    await on.machine.host().run('ip', 'link set dev enp23s0f0 vf 0 vlan 7'.split(' '), 100);
    await on.release('a');
    assert.ok(on.log.some(({ message }) => /vlan of virtual function 0 .* so it stays/.test(message)));
    assert.deepEqual(on.claims(), []);
  });

  it('is looked at again while the program that sets it does not end', async () => {
    const on = made({ functions: [rule(0, { trust: true })] });
    await on.prepare(guest('a', THERE));
    on.happens({
      do: 'fault',
      rule: { id: 'slow', on: 'run', path: 'ip', value: '* trust off', effect: { kind: 'hang' } },
    });
    const { code, message } = await failureOf(on.release('a'));
    assert.equal(code, 'VH_INCOMPLETE');
    assert.match(
      message,
      /cannot set trust of virtual function 0 of 0000:17:00.0 to off: the kernel did not finish/,
    );
    const again = await failureOf(on.prepare(guest('a', THERE)));
    assert.equal(again.code, 'VH_STUCK');
    on.happens({ do: 'release-fault', id: 'slow' });
    await on.recover();
    on.nothingDiffers();
  });

  for (const card of [{}, { pf: MADE, unsetMacs: true }]) {
    const [device, name] = card.pf ? [THERE, 'that were there'] : [FIRST, 'that it makes'];
    it(`is as before after a death at any call, of functions ${name}`, async () => {
      for (let nth = 0; nth < 24; nth += 1) {
        const functions = [rule(0, { mac: MAC, vlan: 42, trust: true })];
        const on = card.pf ? made({ ...card, functions }) : nic({ functions });
        const live = dieBefore(on, nth);
        await on.prepare(guest('a', device)).catch(() => undefined);
        await on.release('a').catch(() => undefined);
        live();
        await on.recover();
        on.nothingDiffers();
      }
    });
  }
});
