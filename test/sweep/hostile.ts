import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import type { Domain } from '../../src/domain/domain.ts';
import { VfioHookError } from '../../src/errors.ts';
import { logLine } from '../../src/log/line.ts';
import { errorLines } from '../../src/report.ts';
import type { Scenario } from '../scenario.ts';

/** No character that drives a terminal, breaks a line or turns the direction of writing. */
export function isSafeLine(line: string): void {
  assert.doesNotMatch(
    line,
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    /[\0-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/u,
    'a raw control character',
  );
}

/**
 * Starts and ends a guest: the start succeeds or is refused in words, nothing outside the groups of its devices
 * is written to, no file but claims and locks is made, and afterwards the machine is as before.
 */
export async function staysInItsGroups(s: Scenario, domain: Domain): Promise<void> {
  const logged = s.log.length;
  s.writes();
  let refused = false;
  try {
    await s.prepare(domain);
  } catch (error) {
    assert.ok(error instanceof VfioHookError, error instanceof Error ? error.stack : String(error));
    for (const line of errorLines(error)) isSafeLine(line);
    refused = true;
  }
  const allowed = groupMembers(s, domain);
  for (const write of s.writes()) assert.ok(isWithin(write, allowed), `outside its groups: ${write}`);
  if (!refused) {
    await s.release(domain.name);
    for (const write of s.writes()) assert.ok(isWithin(write, allowed), `outside its groups: ${write}`);
  }
  s.nothingDiffers();
  for (const entry of s.log.slice(logged)) isSafeLine(logLine(entry));
  for (const file of readdirSync(s.directory, { recursive: true, encoding: 'utf8' })) {
    assert.match(
      file,
      /^run(\/(claims|locks)(\/(group-\d+|claim-[0-9a-f-]{36}|[0-9a-f-]{36}\.json|shared-mediated%20devices))?)?$/,
    );
  }
}

/** All PCI devices in the groups of a guest's devices. */
function groupMembers(s: Scenario, domain: Domain): Set<string> {
  const devices = Object.values(s.machine.state().devices);
  const assigned = domain.hostdevs.flatMap((each) => (each.kind === 'mdev' ? [] : [each.address as string]));
  const groups = new Set(
    devices.filter(({ spec }) => assigned.includes(spec.address)).map(({ group }) => group),
  );
  return new Set(devices.filter(({ group }) => groups.has(group)).map(({ spec }) => spec.address));
}

function isWithin(write: string, allowed: ReadonlySet<string>): boolean {
  if (/^load (vfio-pci|mlx5_vfio_pci)$/.test(write)) return true;
  const address = /[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/.exec(write)?.[0];
  return address !== undefined && allowed.has(address);
}
