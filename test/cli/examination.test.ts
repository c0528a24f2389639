import assert from 'node:assert/strict';
import type { Call, Terminal } from '../../src/cli/command.ts';
import { inspection } from '../../src/cli/examination.ts';
import { readFailure } from '../../src/failure.ts';
import type { Host } from '../../src/host/host.ts';
import { fakeHost } from '../host/fake-host.ts';

const CALL: Call = { operands: [], options: new Map(), lists: new Map() };
const DEFINED = '/etc/libvirt/qemu/a.xml';

/** The guests that the files of this host are held against. */
function guestsOf(host: Host): ReturnType<typeof inspection>['guests'] {
  const terminal: Pick<Terminal, 'openEngine' | 'locations'> = {
    openEngine: () => ({ host }) as ReturnType<Terminal['openEngine']>,
    locations: () =>
      ({ configDirectory: '/etc/vfio-hook', trustedUid: 0 }) as ReturnType<Terminal['locations']>,
  };
  return inspection(CALL, terminal as Terminal).guests;
}

describe('inspection', () => {
  it('a definition that is no XML is a guest of that name all the same', () => {
    assert.deepEqual(guestsOf(fakeHost({ files: { [DEFINED]: '<domain' } })), [{ name: 'a', broken: true }]);
  });

  it('who may not look at libvirt’s files has no guests to hold the files against, and goes on', () => {
    const list = (path: string): never => {
      throw readFailure(path, 'EACCES');
    };
    assert.equal(guestsOf({ ...fakeHost({}), list }), undefined);
  });
});
