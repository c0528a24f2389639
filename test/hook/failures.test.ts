import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePciAddress } from '../../src/pci/address.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { expectGolden } from '../golden.ts';
import { callHook, installation, type Ended } from './compiled.ts';
import {
  call,
  changes,
  claims,
  configure,
  exampleGuest,
  fault,
  guestWith,
  moments,
  picture,
  stage,
  steady,
  succeeds,
  type Guest,
  type Stage,
} from './stage.ts';

const HOST = 'amd-rdna3-desktop';
const win11 = exampleGuest('windows-11-rx7900xtx');
const rival = guestWith(['0000:03:00.1'], {
  name: 'steam & "co"',
  uuid: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11',
});

/** Refused with exactly this on stderr; the machine is as before, and no claim is left. */
interface Refusal {
  readonly title: string;
  /** Golden file. */
  readonly golden: string;
  readonly on?: () => Stage;
  readonly guest?: Guest;
  /** What goes wrong. */
  readonly given?: (on: Stage) => unknown;
  readonly input?: () => string | Uint8Array;
  /** False: steps are done and undone. */
  readonly untouched?: false;
}

const bars = (size: string): string => `devices:\n  - match: "0000:03:00.0"\n    bars: { 2: ${size} }\n`;
const own = (text: string) => (on: Stage) => {
  configure(on, `domains/${win11.name}.yaml`, text);
};

const refusals: readonly Refusal[] = [
  {
    title: 'a device that no such host has',
    golden: 'no-device',
    guest: guestWith(['0000:03:00.0', '0000:7f:00.0']),
  },
  {
    title: 'the IOMMU is off',
    golden: 'iommu-off',
    on: () => stage(HOST, (spec) => ({ ...spec, iommu: false })),
  },
  { title: 'a bridge', golden: 'bridge', guest: guestWith(['0000:02:00.0']) },
  {
    title: 'another guest holds one function of the card',
    golden: 'claimed',
    given: (on) => {
      succeeds(on, rival, 'prepare');
    },
  },
  {
    title: 'a guest that has no claim has the group open',
    golden: 'in-use',
    given: async (on) => {
      const host = on.machine.host();
      await host.loadModule('vfio_pci', 1000);
      for (const address of ['0000:03:00.0', '0000:03:00.1']) {
        const device = parsePciAddress(address)!;
        await host.write(sysfs.driverOverride(device), 'vfio-pci', 1000);
        await host.write(sysfs.unbind(device.endsWith('0') ? 'amdgpu' : 'snd_hda_intel'), address, 1000);
        await host.write(sysfs.bind('vfio-pci'), address, 1000);
      }
      on.machine.perform({
        do: 'open-group',
        devices: ['0000:03:00.0', '0000:03:00.1'],
        guest: 'by hand',
        pid: 4242,
      });
    },
  },
  { title: 'XML that is cut off', golden: 'xml-cut', input: () => win11.xml.slice(0, 3000) },
  { title: 'no XML at all', golden: 'xml-empty', input: () => '' },
  { title: 'XML of another guest', golden: 'xml-name', input: () => rival.xml },
  {
    title: 'a document type',
    golden: 'xml-doctype',
    input: () => `<!DOCTYPE domain [<!ENTITY x "y">]>${win11.xml}`,
  },
  {
    title: 'XML in Latin-1',
    golden: 'xml-latin-1',
    input: () => Buffer.from(win11.xml.replace('<memory', '<!-- é --><memory'), 'latin1'),
  },
  { title: 'XML in UTF-16', golden: 'xml-utf-16', input: () => Buffer.from(`\ufeff${win11.xml}`, 'utf16le') },
  {
    title: 'XML of 17 MiB',
    golden: 'xml-large',
    input: () => `<domain>${' '.repeat(17 * 2 ** 20)}</domain>`,
  },
  {
    title: 'a configuration that is no YAML',
    golden: 'config-syntax',
    given: own('timeouts:\n  lock: 30s\n kernelWrite: [\n'),
  },
  {
    title: 'a configuration with an unknown key and a wrong size',
    golden: 'config-keys',
    given: own('timeout:\n  lock: 30s\ndevices:\n  - match: vga\n    bars: { 2: 3MiB }\n'),
  },
  { title: 'a BAR size that the card does not offer', golden: 'bar-size', given: own(bars('512MiB')) },
  {
    title: 'a driver that there is not',
    golden: 'driver-missing',
    given: own('devices:\n  - match: "0000:03:00.0"\n    driver: nosuch-pci\n'),
    untouched: false,
  },
  {
    title: 'the kernel refuses to bind: EBUSY',
    golden: 'bind-ebusy',
    given: (on) => {
      fault(on, { path: '*/vfio-pci/bind', value: '0000:03:00.1', effect: { kind: 'fail', errno: 'EBUSY' } });
    },
    untouched: false,
  },
  {
    title: 'the kernel refuses to unbind: ENODEV',
    golden: 'unbind-enodev',
    given: (on) => {
      fault(on, { path: '*/unbind', effect: { kind: 'fail', errno: 'ENODEV' } });
    },
    untouched: false,
  },
  {
    title: 'no room for the new size: ENOSPC',
    golden: 'resize-enospc',
    given: (on) => {
      own(bars('8MiB'))(on);
      fault(on, { path: '*/resource2_resize', effect: { kind: 'fail', errno: 'ENOSPC' } });
    },
    untouched: false,
  },
  {
    title: 'a write that says it is done and is not: unbind',
    golden: 'unbind-lies',
    given: (on) => {
      fault(on, { path: '*/amdgpu/unbind', effect: { kind: 'lie' } });
    },
    untouched: false,
  },
  {
    title: 'a write that says it is done and is not: driver override',
    golden: 'override-lies',
    given: (on) => {
      fault(on, { path: '*/0000:03:00.1/driver_override', effect: { kind: 'lie' } });
    },
    untouched: false,
  },
  {
    title: 'vfio-pci cannot be loaded',
    golden: 'module',
    given: (on) => {
      fault(on, { on: 'load', path: '*', effect: { kind: 'fail', errno: 'ENOENT' } });
    },
    untouched: false,
  },
];

/** The exit status and what is shown to whoever started the guest. */
function shown(ended: Ended, on: Stage): string {
  return `exit status ${String(ended.status)}\n${steady(ended.stderr, on)}`;
}

/** What every failure has in common: status 1, a first line that is the whole story, hints, nothing else. */
function isRefusal(ended: Ended): void {
  assert.equal(ended.status, 1, ended.stderr);
  const [first = '', ...others] = ended.stderr.trimEnd().split('\n');
  assert.match(first, /^vfio-hook: error: (?:[^A-Z\s]|IOMMU ).*[^.]$/);
  for (const line of others) assert.match(line, /^vfio-hook: hint: /);
}

describe('a start that is refused, by the compiled hook', () => {
  for (const { title, golden, on: boot, guest = win11, given, input, untouched } of refusals) {
    it(title, async () => {
      const on = boot?.() ?? stage(HOST);
      await given?.(on);
      const [before, held, count] = [picture(on), claims(on), changes(on)];
      const ended = call(on, guest, 'prepare', { input: input?.() ?? guest.xml });
      isRefusal(ended);
      expectGolden(`hook/golden/${golden}.txt`, shown(ended, on));
      if (untouched !== false) assert.equal(changes(on), count);
      assert.deepEqual(picture(on), before);
      assert.deepEqual(claims(on), held);

      // libvirt calls release for this guest, too.
      const released = call(on, guest, 'release');
      assert.deepEqual([released.status, released.stderr], [0, '']);
      assert.deepEqual([picture(on), claims(on)], [before, held]);
    });
  }

  it('a broken configuration of one guest refuses no other', () => {
    const on = stage(HOST);
    configure(on, 'domains/other.yaml', 'nonsense: [\n');
    succeeds(on, win11, 'prepare');
  });

  it('a claim that cannot be read: nothing is changed, and the file is named', () => {
    const on = stage(HOST);
    mkdirSync(join(on.directory, 'run'), { mode: 0o700 });
    mkdirSync(join(on.directory, 'run/claims'), { mode: 0o700 });
    const path = join(on.directory, 'run/claims', `${rival.uuid}.json`);
    writeFileSync(path, '{"version":1,"gue', { mode: 0o600 });
    const before = picture(on);
    const ended = call(on, win11, 'prepare');
    isRefusal(ended);
    expectGolden('hook/golden/claim-damaged.txt', shown(ended, on));
    assert.deepEqual([picture(on), changes(on)], [before, 0]);
    assert.equal(readFileSync(path, 'utf8'), '{"version":1,"gue');
    const released = call(on, win11, 'release');
    isRefusal(released);
    expectGolden('hook/golden/claim-damaged-release.txt', shown(released, on));
    assert.deepEqual([picture(on), changes(on)], [before, 0]);
  });

  it('a claim that somebody else could have written is not believed', () => {
    const on = stage(HOST);
    succeeds(on, rival, 'prepare');
    const path = join(on.directory, 'run/claims', `${rival.uuid}.json`);
    const text = readFileSync(path, 'utf8');
    writeFileSync(join(on.directory, 'run/claims', `${win11.uuid}.json`), text, { mode: 0o600 });
    const ended = call(on, win11, 'prepare');
    isRefusal(ended);
    expectGolden('hook/golden/claim-misplaced.txt', shown(ended, on));
  });

  it('somebody holds the lock of the group: refused within the configured time, with who it is', async () => {
    const on = stage(HOST);
    configure(on, 'config.yaml', 'timeouts: { lock: 200ms }\n');
    const locks = join(on.directory, 'run/locks');
    mkdirSync(join(on.directory, 'run'), { mode: 0o700 });
    mkdirSync(locks, { mode: 0o700 });
    const file = join(locks, 'group-16');
    writeFileSync(file, 'guest "other" (pid 1)\n', { mode: 0o600 });
    const holder = spawn('flock', ['-x', file, 'sh', '-c', 'echo held; read line'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    try {
      await once(holder.stdout, 'data');
      const ended = call(on, win11, 'prepare');
      isRefusal(ended);
      expectGolden('hook/golden/locked.txt', shown(ended, on));
      assert.equal(changes(on), 0);
    } finally {
      holder.stdin.end('\n');
      await once(holder, 'exit');
    }
    succeeds(on, win11, 'prepare');
  });

  it('a kernel write that does not return: refused in time, recorded as stuck, recovered once it is over', () => {
    const on = stage(HOST);
    configure(on, 'config.yaml', 'timeouts: { kernelWrite: 150ms }\n');
    const before = picture(on);
    fault(on, { id: 'h', path: '*/snd_hda_intel/unbind', value: '0000:03:00.1', effect: { kind: 'hang' } });
    const started = performance.now();
    const ended = call(on, win11, 'prepare');
    assert.ok(performance.now() - started < 5000);
    isRefusal(ended);
    expectGolden('hook/golden/unbind-hangs.txt', shown(ended, on));
    assert.equal(claims(on)[`${win11.uuid}.json`]?.state, 'stuck');

    // Nobody touches the device while the write is under way: not this guest, not another one.
    const count = changes(on);
    for (const guest of [win11, rival]) {
      const again = call(on, guest, 'prepare');
      isRefusal(again);
      expectGolden(`hook/golden/unbind-hangs-${guest === win11 ? 'again' : 'rival'}.txt`, shown(again, on));
    }
    const late = call(on, win11, 'release');
    assert.equal(late.status, 1);
    expectGolden('hook/golden/unbind-hangs-release.txt', shown(late, on));
    assert.equal(changes(on), count);

    on.machine.perform({ do: 'release-fault', id: 'h' });
    const recovered = callHook(['recover', ...on.option], { program: installation().command });
    assert.deepEqual([recovered.status, recovered.stderr], [0, '']);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('what cannot be put back is said, with the command that retries, and is put back by it', () => {
    const on = stage(HOST);
    const before = picture(on);
    fault(on, { path: '*/vfio-pci/bind', value: '0000:03:00.1', effect: { kind: 'fail', errno: 'EIO' } });
    fault(on, { path: '*/amdgpu/bind', times: 'always', effect: { kind: 'fail', errno: 'EIO' } });
    const ended = call(on, win11, 'prepare');
    isRefusal(ended);
    expectGolden('hook/golden/incomplete.txt', shown(ended, on));
    assert.equal(claims(on)[`${win11.uuid}.json`]?.state, 'incomplete');

    const release = call(on, win11, 'release');
    assert.equal(release.status, 1);
    expectGolden('hook/golden/incomplete-release.txt', shown(release, on));

    on.machine.perform({ do: 'clear-faults' });
    assert.equal(callHook(['recover', ...on.option], { program: installation().command }).status, 0);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('a release while the guest still has the group open touches nothing and says who', () => {
    const on = stage(HOST);
    succeeds(on, win11, 'prepare');
    on.machine.perform({ do: 'open-group', devices: ['0000:03:00.0'], guest: win11.name, pid: 777 });
    const held = picture(on);
    const ended = call(on, win11, 'release');
    isRefusal(ended);
    expectGolden('hook/golden/release-in-use.txt', shown(ended, on));
    assert.deepEqual(picture(on), held);
  });

  it('the release of the guest that was refused leaves the devices of the one that runs', () => {
    const on = stage(HOST);
    succeeds(on, win11, 'prepare');
    const held = picture(on);
    assert.equal(call(on, rival, 'prepare').status, 1);
    succeeds(on, rival, 'release');
    assert.deepEqual(picture(on), held);
    assert.deepEqual(Object.keys(claims(on)), [`${win11.uuid}.json`]);
  });
});

describe('with nothing that can be written in /run', function () {
  this.timeout(20_000);
  /** The hook in a mount namespace of its own, where the state directory is read-only; needs root. */
  const readOnly = (on: Stage, moment: 'prepare' | 'release'): Ended => {
    const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
    const args = ['-m', 'sh', '-c', script, join(on.directory, 'run'), installation().hook, win11.name];
    return callHook([...args, ...moments[moment], ...on.option], { program: 'unshare', input: win11.xml });
  };

  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });

  it('a release gives the devices back, since a lock file need only be read, and says what stays on disk', () => {
    const on = stage(HOST);
    const before = picture(on);
    succeeds(on, win11, 'prepare');
    const { status, stderr } = readOnly(on, 'release');
    assert.equal(
      stderr.split('\n')[0],
      `vfio-hook: error: cannot remove ${on.directory}/run/claims/${win11.uuid}.json: EROFS`,
    );
    assert.equal(status, 1);
    assert.deepEqual(picture(on), before);
    succeeds(on, win11, 'release');
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('a start is refused and changes nothing', () => {
    const on = stage(HOST);
    succeeds(on, win11, 'prepare');
    succeeds(on, win11, 'release');
    const count = changes(on);
    const { status, stderr } = readOnly(on, 'prepare');
    assert.equal(
      stderr.split('\n')[0],
      `vfio-hook: error: cannot write ${on.directory}/run/claims/${win11.uuid}.json: EROFS`,
    );
    assert.deepEqual([status, changes(on)], [1, count]);
  });
});
