import assert from 'node:assert/strict';
import type { ContractTarget, Operation, Row } from './contract.ts';
import { runRow } from './run.ts';
import { labAddresses } from './simulated-target.ts';

/** A target that answers everything with `answer` and shows the same file and link everywhere. */
function target(answer: string): ContractTarget & { readonly seen: Operation[] } {
  const seen: Operation[] = [];
  return {
    seen,
    addresses: labAddresses,
    perform: (operation) => {
      seen.push(operation);
      return Promise.resolve(answer);
    },
    text: (path) =>
      path.endsWith('/resource')
        ? '0x0000000000000000 0x0000000000000fff 0x0000000000040200\n0x0 0x0 0x0\n0x0 0xfff 0x20040200\n'
        : `text of ${path}\n`,
    link: () => '../../../kernel/iommu_groups/17',
    list: () => [],
    exists: (path) => path === '/here',
    bytes: (_path, length) => new Uint8Array(length).fill(0xab),
  };
}

const read: Row = { id: '0', name: 'a row', setup: [], operation: { read: '/x' }, expect: 'ok' };

describe('runRow', () => {
  it('replaces roles in paths and data', async () => {
    const fake = target('ok');
    const operation = { write: '/dev/vfio/{group nic}', data: '{nic} {dev gpu} {unknown}' };
    await runRow(fake, { ...read, operation });
    assert.deepEqual(fake.seen, [
      { write: '/dev/vfio/17', data: '0000:07:00.0 /sys/bus/pci/devices/0000:01:00.0 {unknown}' },
    ]);
  });

  it('says which answer was not as expected', async () => {
    assert.deepEqual(await runRow(target('EBUSY'), read), ['{"read":"/x"}: EBUSY in place of ok']);
    assert.deepEqual(await runRow(target('ok'), { ...read, expect: 'EINVAL' }), [
      '{"read":"/x"}: ok in place of EINVAL',
    ]);
  });

  it('goes no further when the setup fails', async () => {
    const fake = target('EPERM');
    const wrong = await runRow(fake, { ...read, setup: [{ load: 'x' }] });
    assert.deepEqual(wrong, ['setup {"load":"x"}: EPERM']);
    assert.equal(fake.seen.length, 1);
  });

  it('runs the steps that follow, and finds what is wrong in each', async () => {
    const step = { operation: { read: '/y' }, expect: 'blocks' };
    const wrong = await runRow(target('ok'), { ...read, then: [step, step] });
    assert.equal(wrong.length, 2);
  });

  it('waits for what the kernel does in its own time, and only for that', async () => {
    const slow = (): ContractTarget => {
      let asked = 0;
      return {
        ...target('ok'),
        text: () => (asked > 1 ? 'D3hot\n' : 'D0\n'),
        until: (condition) => {
          while (asked < 5 && !condition()) asked += 1;
          return Promise.resolve();
        },
      };
    };
    const fact = { text: '/power_state', is: 'D3hot' };
    assert.deepEqual(await runRow(slow(), { ...read, after: [{ ...fact, soon: true }] }), []);
    assert.equal((await runRow(slow(), { ...read, after: [fact] })).length, 1);
  });

  const facts = [
    [{ text: '{dev nic}/vendor', is: 'text of /sys/bus/pci/devices/0000:07:00.0/vendor' }, true],
    [{ text: '/a', is: 'text of /b' }, false],
    [{ link: '/a', is: '17' }, true],
    [{ link: '/a', is: null }, false],
    [{ exists: '/here', is: true }, true],
    [{ exists: '/there', is: true }, false],
    [{ barSize: 'nic', bar: 0, is: 4096 }, true],
    [{ bytes: '/x', length: 2, is: 'abab' }, true],
    [{ bytes: '/x', length: 2, is: 'abac' }, false],
    [{ barSize: 'nic', bar: 0, is: 0 }, false],
    [{ barSize: 'nic', bar: 1, is: 0 }, true],
    [{ barSize: 'nic', bar: 2, is: 0 }, true],
    [{ barSize: 'nic', bar: 9, is: 0 }, true],
  ] as const;
  for (const [fact, holds] of facts) {
    it(`sees that ${JSON.stringify(fact)} ${holds ? 'holds' : 'does not hold'}`, async () => {
      const wrong = await runRow(target('ok'), { ...read, after: [fact] });
      assert.equal(wrong.length, holds ? 0 : 1);
    });
  }
});
