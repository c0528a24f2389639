import assert from 'node:assert/strict';
import { expectGolden } from '../../golden.ts';
import { configure, guestWith, succeeds, type Stage } from '../../hook/stage.ts';
import { isPlain, machine, run, shown } from '../run.ts';

const CONFIG = `sriov:
  - pf: "0000:17:00.1"
    vfs: 3
    functions: [{ vf: 0, vlan: 42, trust: true }]
  - pf: "0000:17:00.0"
    functions: [{ vf: 1, mac: "52:54:00:00:00:42", maxTxRate: 100 }]
`;

const guest = guestWith(['0000:17:0a.0', '0000:17:02.1'], {
  name: 'router',
  uuid: '5e0c7d3b-72a9-4d23-9d40-0f5d4c8b1199',
});

function nic(): Stage {
  const on = machine({}, 'sriov-nic');
  configure(on, 'config.yaml', CONFIG);
  return on;
}

interface Card {
  readonly address: string;
  readonly count: number;
  readonly isOurs: boolean;
  readonly functions: readonly {
    readonly address: string;
    readonly isThere: boolean;
    readonly owner?: string;
    readonly settings?: Readonly<Record<string, string>>;
  }[];
}

describe('vfio-hook sriov', () => {
  it('lists what is there and what is promised, changes nothing, and needs no guest', () => {
    const on = nic();
    const ended = run(['sriov', ...on.option]);
    isPlain(ended);
    expectGolden('cli/golden/sriov.txt', shown(ended, on));
    assert.deepEqual(on.machine.journal(), []);
  });

  it('says who has which, and what its card keeps for it', () => {
    const on = nic();
    succeeds(on, guest, 'prepare');
    const ended = run(['sriov', ...on.option]);
    expectGolden('cli/golden/sriov-held.txt', shown(ended, on));
    const cards = JSON.parse(run(['sriov', '--json', ...on.option]).stdout) as readonly Card[];
    assert.deepEqual(
      cards.map(({ address, count, isOurs }) => [address, count, isOurs]),
      [
        ['0000:17:00.0', 4, false],
        ['0000:17:00.1', 3, true],
      ],
    );
    const [first] = cards[1]?.functions ?? [];
    assert.deepEqual(
      [first?.address, first?.isThere, first?.owner, first?.settings?.['vlan'], first?.settings?.['trust']],
      ['0000:17:0a.0', true, 'guest "router"', '42', 'on'],
    );
  });

  it('of a host without any says so', () => {
    const on = machine({}, 'nvidia-desktop');
    assert.equal(
      run(['sriov', ...on.option]).stdout,
      'no card of this host offers virtual functions (SR-IOV)\n',
    );
    assert.equal(run(['sriov', '--json', ...on.option]).stdout, '[]\n');
  });
});
