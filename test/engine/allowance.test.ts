import assert from 'node:assert/strict';
import type { PlaceRules } from '../../src/config/config.ts';
import { allowance } from '../../src/engine/allowance.ts';
import { advice, paste } from '../../src/hint.ts';
import type { DeviceUse } from '../../src/pci/use.ts';
import { assigned, at, device, planFor } from '../plan/snapshots.ts';
import { allowing, planned, use } from '../plan/used.ts';

describe('allowance', () => {
  it('is not offered for what is allowed already', () => {
    const made = planned([use('boot-vga'), use('console')], { wishesFor: allowing('boot-vga', 'console') });
    assert.ok(made.steps.length > 0);
    assert.deepEqual(allowance(made), []);
  });

  it('is not offered for the disk that the host runs from, nor for what is refused beside it', () => {
    const boot = use('boot-vga', '03:00.1');
    assert.deepEqual(allowance(planned([use('root-disk'), use('mounted'), boot])), []);
    const allowed = planned([use('root-disk'), use('mounted')], { wishesFor: allowing('root-disk') });
    assert.deepEqual(allowance(allowed), []);
    const owner = { kind: 'manual', uuid: '' } as const;
    assert.deepEqual(allowance({ ...planned([use('root-disk')]), owner }), []);
  });

  const file = '/etc/vfio-hook/domains/win11.yaml';

  it('is nothing when nothing is refused for a use', () => {
    assert.deepEqual(allowance(planned([])), []);
    assert.deepEqual(
      allowance(planFor([device('02:00.0', { headerType: 'bridge' })], { hostdevs: assigned('02:00.0') })),
      [],
    );
  });

  it('has every device and all of its reasons, also those that are allowed already', () => {
    const uses = [use('boot-vga'), use('held'), use('held', '03:00.1')];
    assert.deepEqual(allowance(planned(uses, { wishesFor: allowing('held') })), [
      paste(
        file,
        'devices: [{match: "0000:03:00.0", allow: [boot-vga, held]}, {match: "0000:03:00.1", allow: [held]}]',
        'to allow it',
      ),
    ]);
  });

  it('offers nothing that does more harm than good, also beside what is offered', () => {
    const harmful: DeviceUse = { ...use('held'), offered: false };
    assert.deepEqual(allowance(planned([harmful])), []);
    assert.deepEqual(allowance(planned([use('boot-vga'), harmful])), [
      paste(file, 'devices: [{match: "0000:03:00.0", allow: [boot-vga]}]', 'to allow the rest'),
    ]);
  });

  it('names a file that is this guest’s, whatever the guest is called', () => {
    const made = planned([use('held')], { owner: { kind: 'guest', name: '../a b', uuid: 'x' } });
    const [allow] = allowance(made);
    assert.equal(allow?.kind === 'paste' && allow.into, '/etc/vfio-hook/domains/%2e.%2fa%20b.yaml');
  });

  it('asks where the rules of a guest go', () => {
    const made = planned([use('held')], { owner: { kind: 'guest', name: 'a', uuid: 'x' } });
    const asked: unknown[] = [];
    const place: PlaceRules = (...question) => (asked.push(question), [advice('there')]);
    assert.deepEqual(allowance(made, place), [advice('there')]);
    const rule = { match: { by: 'address', address: at('03:00.0') }, bars: new Map(), allow: ['held'] };
    assert.deepEqual(asked, [[{ name: 'a', uuid: 'x' }, [rule], 'to allow it']]);
  });
});
