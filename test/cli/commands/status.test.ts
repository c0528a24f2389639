import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withChecksum } from '../../../src/claim/checksum.ts';
import type { Claim } from '../../../src/claim/claim.ts';
import { decodeClaim, encodeClaim } from '../../../src/claim/decode.ts';
import type { StatusReport } from '../../../src/cli/status-report.ts';
import { expectGolden } from '../../golden.ts';
import {
  call,
  changes,
  configure,
  exampleGuest,
  fault,
  guestWith,
  succeeds,
  type Stage,
} from '../../hook/stage.ts';
import { isPlain, machine, run, shown } from '../run.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');

function report(on: Stage): { readonly status: number | null; readonly report: StatusReport } {
  const ended = run(['status', '--json', ...on.option]);
  assert.equal(ended.stderr, '');
  return { status: ended.status, report: JSON.parse(ended.stdout) as StatusReport };
}

/** Changes the one claim on disk. */
function editClaim(on: Stage, change: (claim: Claim) => Claim): void {
  const directory = join(on.directory, 'run/claims');
  const [file = ''] = readdirSync(directory);
  const path = join(directory, file);
  const read = decodeClaim(readFileSync(path, 'utf8'));
  assert.ok('claim' in read);
  writeFileSync(path, withChecksum(encodeClaim(change(read.claim))));
}

describe('vfio-hook status', () => {
  it('says for how long a guest has held its devices, and who has them open', () => {
    const on = machine();
    succeeds(on, win11, 'prepare');
    on.machine.perform({ do: 'open-group', devices: ['0000:03:00.0'], guest: win11.name, pid: 4242 });
    const hour = 3_600_000;
    editClaim(on, (claim) => ({
      ...claim,
      claimedAt: new Date(Date.now() - 2 * hour - 5.5 * 60_000).toISOString(),
    }));
    const { stdout, status } = run(['status', ...on.option]);
    assert.equal(status, 0);
    assert.match(
      stdout,
      /^guest win11-rx7900 \(\S+\): held for 2 h 5 min, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d\n/,
    );
    const [claim] = report(on).report.claims;
    assert.ok(claim?.ageMs !== undefined && claim.ageMs > 2 * hour && claim.ageMs < 3 * hour);
    assert.deepEqual(claim.holders, [
      { pid: 4242, path: '/dev/vfio/16', name: 'qemu-system-x86', guest: win11.name },
    ]);
  });

  it('a clock that was put back gives no length of time', () => {
    const on = machine();
    succeeds(on, win11, 'prepare');
    editClaim(on, (claim) => ({ ...claim, claimedAt: '2999-01-01T00:00:00.000Z' }));
    assert.match(
      run(['status', ...on.option]).stdout,
      /: held since (?:2999-01-01|2998-12-31) \d\d:\d\d:00 [+-]\d\d:\d\d\n/,
    );
    assert.equal(report(on).report.claims[0]?.ageMs, undefined);
  });

  it('a write that waits in the kernel, while it does and when it has returned', () => {
    const on = machine();
    configure(on, 'config.yaml', 'timeouts: { kernelWrite: 300ms }\n');
    fault(on, { id: 'sound', path: '*/snd_hda_intel/unbind', effect: { kind: 'hang' } });
    assert.equal(call(on, win11, 'prepare').status, 1);
    expectGolden('cli/golden/status-stuck.txt', shown(run(['status', ...on.option]), on));
    const { status, report: now } = report(on);
    assert.equal(status, 2);
    assert.deepEqual(
      now.claims.flatMap(({ stuck }) => stuck.map(({ device, waiting }) => [device, waiting])),
      [['0000:03:00.1', true]],
    );
    on.machine.perform({ do: 'release-fault', id: 'sound' });
    const later = report(on).report.claims.flatMap(({ stuck }) => stuck.map(({ waiting }) => waiting));
    assert.deepEqual(later, [false]);
    assert.match(run(['status', ...on.option]).stdout, /\n {2}! has returned since: unbind 0000:03:00\.1 /);
  });

  it('who has a device open that a write waits for, until it is closed', () => {
    const on = machine();
    const path = '/dev/snd/pcmC1D3p';
    const allow = 'devices: [{ match: "0000:03:00.1", allow: [held] }]';
    configure(on, 'config.yaml', `timeouts: { kernelWrite: 300ms }\n${allow}\n`);
    on.machine.perform({ do: 'hold-node', path, program: 'aplay' });
    assert.match(
      call(on, win11, 'prepare').stderr,
      /, and \/dev\/snd\/pcmC1D3p is open in "aplay" \(pid \d+\);/,
    );
    assert.match(run(['status', ...on.option]).stdout, /, and the device is open in "aplay" \(pid \d+\)\n/);
    const holders = report(on).report.claims.flatMap(({ stuck }) => stuck.map((write) => write.holders));
    assert.deepEqual(
      holders.map((each) => each.map((holder) => [holder.name, holder.path])),
      [[['aplay', path]]],
    );
    on.machine.perform({ do: 'release-node', path });
    assert.doesNotMatch(run(['status', ...on.option]).stdout, /aplay/);
  });

  it('how long a write has waited, where the kernel says when its process began', () => {
    const on = machine({ '/proc/uptime': '7200.50 100.00\n' });
    configure(on, 'config.yaml', 'timeouts: { kernelWrite: 300ms }\n');
    fault(on, { path: '*/snd_hda_intel/unbind', effect: { kind: 'hang' } });
    assert.equal(call(on, win11, 'prepare').status, 1);
    // The simulated kernel counts its writers instead of ticks: the writer began right after boot.
    assert.match(run(['status', ...on.option]).stdout, /! waits in the kernel for 2 h: unbind /);
  });

  it('devices on a vfio driver that no claim names, with their override and who has them open', () => {
    const on = machine();
    configure(on, 'config.yaml', 'devices: [{ match: "0000:06:00.0", allow: [last-keyboard] }]\n');
    succeeds(on, guestWith(['0000:06:00.0']), 'prepare');
    forgetClaims(on);
    on.machine.perform({ do: 'open-group', devices: ['0000:06:00.0'], guest: 'by hand\u001b', pid: 77 });
    const ended = run(['status', ...on.option]);
    isPlain(ended);
    expectGolden('cli/golden/status-unclaimed.txt', shown(ended, on));
    assert.deepEqual(report(on).report.unclaimed, [
      {
        address: '0000:06:00.0',
        group: 19,
        driver: 'vfio-pci',
        driverOverride: 'vfio-pci',
        holders: [{ pid: 77, path: '/dev/vfio/19', name: 'qemu-system-x86', guest: 'by hand\u001b' }],
      },
    ]);
  });

  it('names of guests do not reach the terminal as they are', () => {
    const on = machine();
    succeeds(on, guestWith(['0000:03:00.0'], { name: 'a\u009b2J', uuid: win11.uuid }), 'prepare');
    const ended = run(['status', ...on.option]);
    isPlain(ended);
    assert.match(ended.stdout, /^guest a\\u\{9b\}2J /);
  });

  it('changes nothing', () => {
    const on = machine();
    succeeds(on, win11, 'prepare');
    const count = changes(on);
    run(['status', ...on.option]);
    assert.equal(changes(on), count);
  });
});

/** Takes every claim away, as somebody does who empties the directory. */
function forgetClaims(on: Stage): void {
  const directory = join(on.directory, 'run/claims');
  for (const file of readdirSync(directory)) rmSync(join(directory, file));
}
