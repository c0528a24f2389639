import assert from 'node:assert/strict';
import type { OpenFiles } from '../../../src/host/host.ts';
import { unseenHolders, unseenSessions } from '../../../src/observe/uses/unseen.ts';
import { audio, device, gpu } from '../../plan/snapshots.ts';

const nodes = [
  { device: gpu().address, path: '/dev/dri/card1' },
  { device: audio().address, path: '/dev/snd/controlC1', waits: true },
] as const;
const nic = device('05:00.0').address;
const through = { device: nic, through: 'eno1', peer: '1100000010101000' + '0000000100010100' };
const connections = [{ ...through, sockets: ['socket:[1]', 'socket:[2]'] }];
const crowded = (...holders: OpenFiles['holders']): OpenFiles => ({
  holders,
  unseen: [{ pid: 9, name: 'sshd' }],
});
const why = 'is not known: the open files of "sshd" (pid 9) could not all be looked at in time';

describe('unseenHolders', () => {
  it('takes each device with nodes for held, and offers what does not wait for ever', () => {
    assert.deepEqual(
      unseenHolders(nodes, crowded()).map(({ device: of, reason, detail, offered }) => [
        of,
        reason,
        detail,
        offered,
      ]),
      [
        [gpu().address, 'held', `who has /dev/dri/card1 open ${why}`, undefined],
        [audio().address, 'held', `who has /dev/snd/controlC1 open ${why}`, false],
      ],
    );
  });

  it('has nothing to say when everybody was looked at', () => {
    assert.deepEqual(unseenHolders(nodes, { holders: [], unseen: [] }), []);
  });
});

describe('unseenSessions', () => {
  const said = (look: OpenFiles): string[] => unseenSessions(connections, look).map(({ detail }) => detail);

  it('takes a connection of which the holder was not found for a session, once for each card and interface', () => {
    const detail = `whether a session of ssh leads through eno1 ${why}`;
    assert.deepEqual(said(crowded()), [detail]);
    assert.deepEqual(said(crowded({ pid: 8, name: 'sshd', path: 'socket:[1]' })), [detail]);
  });

  it('has nothing to say when all holders are known, or everybody was looked at', () => {
    const known = ['socket:[1]', 'socket:[2]'].map((path) => ({ pid: 8, name: 'sshd', path }));
    assert.deepEqual(said(crowded(...known)), []);
    assert.deepEqual(said({ holders: [], unseen: [] }), []);
  });
});
