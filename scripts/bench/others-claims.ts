import { readFileSync } from 'node:fs';
import { withChecksum } from '../../src/claim/checksum.ts';
import { encodeClaim } from '../../src/claim/decode.ts';
import type { Claim, ClaimedDevice } from '../../src/claim/claim.ts';
import { claimKey } from '../../src/claim/owner.ts';
import { parsePciAddress } from '../../src/pci/address.ts';

/** A file in the directory of claims. */
export interface ClaimFile {
  readonly name: string;
  readonly text: string;
}

/** Claims of this boot by guests that are none of the measured ones, each of a card with its sound function. */
export function othersClaims(count: number): ClaimFile[] {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return Array.from({ length: count }, (_, index) => {
    const claim = claimOf(index, bootId);
    return { name: `${claimKey(claim.owner)}.json`, text: withChecksum(encodeClaim(claim)) };
  });
}

/** Groups that no measured host has. */
const FIRST_GROUP = 1000;

function claimOf(index: number, bootId: string): Claim {
  const bus = index.toString(16).padStart(2, '0');
  const group = FIRST_GROUP + index;
  return {
    version: 3,
    bootId,
    owner: {
      kind: 'guest',
      name: `guest-${index}`,
      uuid: `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`,
    },
    state: 'held',
    claimedAt: '2026-11-01T12:00:00.000Z',
    // A number that no process has: PID_MAX_LIMIT is 4,194,304.
    writer: { pid: 5_000_000, startTime: 1 },
    kernelWriteTimeout: 30_000,
    groups: [group],
    devices: [
      {
        ...device(`0001:${bus}:00.0`, group),
        device: '744c',
        original: { ...ORIGINAL, driver: 'amdgpu', module: 'amdgpu' },
      },
      {
        ...device(`0001:${bus}:00.1`, group),
        device: 'ab30',
        original: { ...ORIGINAL, driver: 'snd_hda_intel', module: 'snd_hda_intel' },
      },
    ],
    holds: [],
    stuck: [],
    leftovers: [],
  };
}

const ORIGINAL = { bars: [], powerControl: 'auto', resetMethods: ['bus'] } as const;

function device(text: string, group: number): Omit<ClaimedDevice, 'device' | 'original'> {
  const address = parsePciAddress(text);
  if (!address) throw new Error(`${text} is no address`);
  return { address, group, vendor: '1002', driver: 'vfio-pci' };
}
