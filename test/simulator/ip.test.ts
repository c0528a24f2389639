import assert from 'node:assert/strict';
import type { SimulatedHost } from '../../simulator/host.ts';
import { VfioHookError } from '../../src/errors.ts';
import { answer, attribute, example, exampleSpec, toVfio } from './machines.ts';

const port = '0000:17:00.0';
const vf = { first: '0000:17:02.0', second: '0000:17:02.1' } as const;
const NONE = '00:00:00:00:00:00';
const OWN = '52:54:00:aa:bb:cc';

async function ip(host: SimulatedHost, line: string): Promise<string> {
  const result = await host.run('ip', line.split(' '), 100);
  if (result.kind === 'stuck') return 'stuck';
  return result.status === 0 ? result.stdout.trim() : `${result.status}: ${result.stderr.trim()}`;
}

async function settings(host: SimulatedHost, index = 0): Promise<Record<string, unknown>> {
  const text = await ip(host, 'link show dev enp23s0f0 -json -details');
  const [link] = JSON.parse(text) as { vfinfo_list: Record<string, unknown>[] }[];
  return link?.vfinfo_list[index] ?? {};
}

const address = (host: SimulatedHost, of: string, name: string): string | undefined =>
  host.read(attribute(of, `net/${name}/address`))?.trim();

describe('ip on a simulated machine', () => {
  it('tells what a network card keeps for its virtual functions', async () => {
    const host = example('sriov-nic').host();
    const first = await settings(host);
    assert.deepEqual(first['vlan_list'], [{}]);
    assert.deepEqual(first['rate'], { max_tx: 0, min_tx: 0 });
    assert.deepEqual(
      [first['spoofchk'], first['trust'], first['link_state'], first['vf']],
      [true, false, 'auto', 0],
    );
    assert.equal(first['address'], address(host, vf.first, 'enp23s0f0v0'));
  });

  it('sets all of it, and what is not told with a tag is its priority: none', async () => {
    const host = example('sriov-nic').host();
    const line = `link set dev enp23s0f0 vf 1 mac ${OWN} vlan 42 qos 3 spoofchk off trust on state disable max_tx_rate 100`;
    assert.equal(await ip(host, line), '');
    const set = await settings(host, 1);
    assert.deepEqual(set['vlan_list'], [{ vlan: 42, qos: 3 }]);
    assert.deepEqual(
      [set['address'], set['spoofchk'], set['trust'], set['link_state'], set['rate']],
      [OWN, false, true, 'disable', { max_tx: 100, min_tx: 0 }],
    );
    assert.equal(await ip(host, 'link set dev enp23s0f0 vf 1 vlan 7'), '');
    assert.deepEqual((await settings(host, 1))['vlan_list'], [{ vlan: 7 }]);
    assert.notEqual((await settings(host, 0))['address'], OWN);
  });

  it('says what is not there, and what the driver does not do', async () => {
    const spec = exampleSpec('sriov-nic');
    const devices = spec.devices.map((each) =>
      each.sriov?.net
        ? { ...each, sriov: { ...each.sriov, net: { ...each.sriov.net, refuses: ['state'] as const } } }
        : each,
    );
    const host = example('sriov-nic', { devices }).host();
    const rows = [
      ['link set dev enp23s0f0 vf 9 trust on', '2: RTNETLINK answers: Invalid argument'],
      ['link set dev eth9 vf 0 trust on', '1: Cannot find device "eth9"'],
      ['link set dev enp23s0f0 vf 0 state enable', '2: RTNETLINK answers: Operation not supported'],
      ['link set dev enp23s0f0 vf 0 vlan 5000', '255: Error: argument "5000" is wrong: Invalid "vlan" value'],
    ] as const;
    for (const [line, said] of rows) assert.equal(await ip(host, line), said);
  });

  it('a function whose address was set through its card takes none from the host any more, until it is set to zeros', async () => {
    const host = example('sriov-nic').host();
    const before = address(host, vf.first, 'enp23s0f0v0') ?? '';
    assert.equal(await ip(host, `link set dev enp23s0f0v0 address ${OWN}`), '');
    assert.equal((await settings(host))['address'], OWN);
    assert.equal(await ip(host, `link set dev enp23s0f0 vf 0 mac ${before}`), '');
    assert.equal(
      await ip(host, 'link set dev enp23s0f0v0 address 52:54:00:00:00:99'),
      '2: RTNETLINK answers: Cannot assign requested address',
    );
    assert.equal(await ip(host, `link set dev enp23s0f0 vf 0 mac ${NONE}`), '');
    assert.equal(await ip(host, 'link set dev enp23s0f0v0 address 52:54:00:00:00:99'), '');
  });

  it('a function that comes back to its driver without an address gets one that it has never had', async () => {
    const host = example('sriov-nic').host();
    const before = address(host, vf.second, 'enp23s0f0v1') ?? '';
    await toVfio(host, vf.second);
    assert.equal(address(host, vf.second, 'enp23s0f0v1'), undefined);
    assert.equal((await settings(host, 1))['address'], before, 'the card still has it');
    await ip(host, `link set dev enp23s0f0 vf 1 mac ${NONE}`);
    await answer(host, '/sys/bus/pci/drivers/vfio-pci/unbind', vf.second);
    await answer(host, attribute(vf.second, 'driver_override'), '');
    assert.equal(await answer(host, '/sys/bus/pci/drivers/iavf/bind', vf.second), 'ok');
    const now = address(host, vf.second, 'enp23s0f0v1') ?? '';
    assert.notEqual(now, before);
    assert.equal((await settings(host, 1))['address'], now);
  });

  it('new functions have nothing of those that were there before', async () => {
    const host = example('sriov-nic').host();
    await ip(host, `link set dev enp23s0f0 vf 0 mac ${OWN} trust on`);
    for (const count of ['0', '2']) await answer(host, attribute(port, 'sriov_numvfs'), count);
    assert.deepEqual((await settings(host))['trust'], false);
    assert.notEqual((await settings(host))['address'], OWN);
  });

  it('fails, hangs and lies like a write', async () => {
    const machine = example('sriov-nic');
    const host = machine.host();
    const line = 'link set dev enp23s0f0 vf 0 trust on';
    const fault = (effect: { kind: 'fail'; errno: 'EIO' } | { kind: 'lie' } | { kind: 'hang' }): void => {
      machine.perform({ do: 'fault', rule: { id: 'f', on: 'run', path: 'ip', value: '* trust *', effect } });
    };
    fault({ kind: 'fail', errno: 'EIO' });
    assert.equal(await ip(host, line), '2: RTNETLINK answers: Input/output error');
    machine.perform({ do: 'clear-faults' });
    fault({ kind: 'lie' });
    assert.equal(await ip(host, line), '');
    assert.equal((await settings(host))['trust'], false);
    machine.perform({ do: 'clear-faults' });
    fault({ kind: 'hang' });
    assert.equal(await ip(host, line), 'stuck');
    assert.deepEqual(
      host.blockedWrites().map(({ path }) => path),
      [`ip ${line}`],
    );
    machine.perform({ do: 'release-fault', id: 'f' });
    assert.equal((await settings(host))['trust'], true);
  });
});

describe('a program of a vendor on a simulated machine', () => {
  const path = '/usr/lib/nvidia/sriov-manage';

  it('that is not there is missed', async () => {
    await assert.rejects(
      example('sriov-nic').host().run('sriov-manage', ['-e', port], 100),
      (error) => error instanceof VfioHookError && error.message === `there is no program ${path}`,
    );
  });

  it('that others than root can replace is not run', async () => {
    const { files } = exampleSpec('sriov-nic');
    const host = example('sriov-nic', {
      files: { ...files, [path]: '' },
      fileFacts: { [path]: { mode: 0o777 } },
    }).host();
    await assert.rejects(
      host.run('sriov-manage', ['-e', port], 100),
      (error) => error instanceof VfioHookError && error.message.includes('others than root may write to'),
    );
  });
});
