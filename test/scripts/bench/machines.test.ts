import assert from 'node:assert/strict';
import { guestWith } from '../../../scripts/bench/guest.ts';
import {
  CARD,
  cardWithFunctions,
  eightCards,
  FREE_DISK,
  hostWithNetworkCard,
  hostWithVolumes,
  machineOf,
  NETWORK_CARD,
} from '../../../scripts/bench/machines.ts';
import { othersClaims } from '../../../scripts/bench/others-claims.ts';
import { isIntact } from '../../../src/claim/checksum.ts';
import { decodeClaim } from '../../../src/claim/decode.ts';
import { pciHostdevs } from '../../../src/domain/domain.ts';
import { parseDomain } from '../../../src/domain/parse.ts';

describe('what the benchmarks measure with', () => {
  it('is a machine on which vfio is loaded and interrupts are remapped', () => {
    const spec = machineOf('amd-rdna3-desktop');
    assert.equal(spec.interruptRemapping, true);
    assert.deepEqual(
      spec.modules.filter(({ name, loaded }) => name.startsWith('vfio') && !loaded),
      [],
    );
  });

  it('has as many functions in the group of the card as are asked for', () => {
    const group = (more: number): string[] =>
      cardWithFunctions(more)
        .devices.filter((device) => device.group === 16)
        .map(({ address }) => address);
    assert.deepEqual(group(0), [`${CARD}.0`, `${CARD}.1`]);
    assert.deepEqual(
      group(4),
      [0, 1, 2, 3, 4, 5].map((number) => `${CARD}.${number}`),
    );
  });

  it('has eight cards of four functions, each in a group of its own', () => {
    const { spec, cards } = eightCards();
    const groups = cards.map((card) => spec.devices.filter(({ address }) => address.startsWith(`${card}.`)));
    assert.deepEqual(
      groups.map((functions) => [functions.length, new Set(functions.map(({ group }) => group)).size]),
      Array.from({ length: 8 }, () => [4, 1]),
    );
    assert.equal(new Set(groups.map(([first]) => first?.group)).size, 8);
  });

  it('has volumes that are mounted, a disk and a network card that are not needed', () => {
    const { volumes, files } = hostWithVolumes(500);
    assert.equal(volumes.length, 500);
    assert.equal((files['/proc/self/mountinfo'] ?? '').match(/ext4 \/dev\/mapper\/vg0-volume/g)?.length, 500);
    assert.ok(hostWithVolumes(0).devices.some(({ address }) => address === FREE_DISK));
    assert.ok(hostWithNetworkCard().devices.some(({ address }) => address === NETWORK_CARD));
  });

  it('is a guest that is assigned the devices, and no others', () => {
    const { name, xml } = guestWith([`${CARD}.0`, '0001:ff:1f.7']);
    assert.deepEqual(
      pciHostdevs(parseDomain(xml, { name })).map(({ address }) => String(address)),
      [`${CARD}.0`, '0001:ff:1f.7'],
    );
  });

  it('is claims that are read as such, each of another guest', () => {
    const claims = othersClaims(3).map(({ name, text }) => {
      const decoded = decodeClaim(text);
      assert.ok('claim' in decoded, JSON.stringify(decoded));
      assert.ok(isIntact(text));
      assert.ok(name.endsWith('.json'));
      return decoded.claim;
    });
    assert.equal(new Set(claims.map(({ groups }) => groups.join())).size, 3);
  });
});
