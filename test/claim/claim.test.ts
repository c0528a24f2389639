import assert from 'node:assert/strict';
import { claims, type Claim } from '../../src/claim/claim.ts';
import { pci } from '../scenario.ts';

describe('claims', () => {
  const claim = (...addresses: readonly string[]): Claim => ({
    version: 3,
    bootId: '',
    owner: { kind: 'guest', name: '', uuid: '' },
    state: 'held',
    claimedAt: '',
    writer: { pid: 1, startTime: 1 },
    kernelWriteTimeout: 1,
    groups: [16],
    devices: addresses.map((each) => ({
      address: pci(each),
      group: 16,
      vendor: '',
      device: '',
      original: { bars: [] },
    })),
    holds: [],
    stuck: [],
    leftovers: [],
  });

  it('says which devices a claim concerns: those that it lists, not their neighbours', () => {
    const both = claim('0000:03:00.0', '0000:03:00.1');
    assert.equal(claims(both, pci('0000:03:00.1')), true);
    assert.equal(claims(both, pci('0000:03:00.2')), false);
    assert.equal(claims(claim(), pci('0000:03:00.0')), false);
  });
});
