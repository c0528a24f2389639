import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  claims,
  configure,
  drivers,
  exampleGuest,
  fault,
  guestWith,
  picture,
  stage,
  type Stage,
} from './stage.ts';
import { callHook, startHook, type Ended } from './compiled.ts';
import { until } from '../until.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
const GPU = ['0000:03:00.0', '0000:03:00.1'];
const withoutDevices = guestWith([]);

/** A stage whose guest has these scripts, by their paths below its directory. */
function scripted(scripts: Readonly<Record<string, string>>, guest = win11.name): Stage {
  const on = stage('amd-rdna3-desktop');
  for (const [name, text] of Object.entries(scripts)) put(on, name, text, guest);
  return on;
}

function put(on: Stage, name: string, text: string, guest = win11.name): string {
  const path = join(on.directory, 'qemu.d', guest, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o755 });
  return path;
}

/** A line in the file `ran`, with what the script sees of the machine. */
const note = (on: string): string => `#!/bin/sh\necho "$0 $*" >> "${on}"\n`;

/** What the scripts of a stage have noted, without the directory. */
function notes(on: Stage, file: string): readonly string[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.replaceAll(`${on.directory}/qemu.d/`, ''));
}

/** Gone, or dead and not yet waited for: whoever inherits it may take its time. */
function hasEnded(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return true;
  }
}

function log(on: Stage): string {
  return readFileSync(join(on.directory, 'vfio-hook.log'), 'utf8');
}

function at(on: Stage, operation: string, sub: string, extra = '-', guest = win11): Ended {
  return callHook([guest.name, operation, sub, extra, ...on.option], { input: guest.xml });
}

describe('scripts of a guest', () => {
  it('run at every moment that libvirt calls, in order of their names, with its arguments', () => {
    const on = stage('amd-rdna3-desktop');
    const ran = join(on.directory, 'ran');
    for (const name of ['30.sh', '10-first', '20 with a blank.py', 'a'])
      put(on, `prepare/begin/${name}`, note(ran));
    for (const place of ['start/begin', 'started/begin', 'stopped/end', 'release/end', 'reconnect/begin']) {
      put(on, `${place}/script`, note(ran));
    }
    put(on, 'prepare/begin/readme.txt', 'no script');
    chmodSync(join(on.directory, 'qemu.d', win11.name, 'prepare/begin/readme.txt'), 0o644);
    mkdirSync(join(on.directory, 'qemu.d', win11.name, 'prepare/begin/directory'));
    for (const [operation, sub, extra] of [
      ['prepare', 'begin', '-'],
      ['start', 'begin', '-'],
      ['started', 'begin', '-'],
      ['reconnect', 'begin', '-'],
      ['stopped', 'end', '-'],
      ['release', 'end', 'from snapshot'],
    ] as const) {
      const { status, stdout, stderr } = at(on, operation, sub, extra);
      assert.deepEqual([status, stdout, stderr], [0, '', ''], operation);
    }
    const name = win11.name;
    assert.deepEqual(notes(on, ran), [
      ...['10-first', '20 with a blank.py', '30.sh', 'a'].map(
        (script) => `${name}/prepare/begin/${script} ${name} prepare begin -`,
      ),
      `${name}/start/begin/script ${name} start begin -`,
      `${name}/started/begin/script ${name} started begin -`,
      `${name}/reconnect/begin/script ${name} reconnect begin -`,
      `${name}/stopped/end/script ${name} stopped end -`,
      `${name}/release/end/script ${name} release end from snapshot`,
    ]);
  });

  it('come before a start takes anything, and after an end has given it back', () => {
    const on = stage('amd-rdna3-desktop');
    const claim = join(on.directory, 'run/claims');
    const looks = (file: string): string =>
      `#!/bin/sh\nls "${claim}" 2>/dev/null | grep -c json > "${file}"\nexit 0\n`;
    const [before, after] = ['before', 'after'].map((name) => join(on.directory, name)) as [string, string];
    put(on, 'prepare/begin/look', looks(before));
    put(on, 'release/end/look', looks(after));
    assert.equal(at(on, 'prepare', 'begin').status, 0);
    assert.deepEqual(drivers(on, GPU), ['vfio-pci', 'vfio-pci']);
    assert.equal(Object.keys(claims(on)).length, 1);
    assert.equal(at(on, 'release', 'end').status, 0);
    assert.deepEqual([readFileSync(before, 'utf8').trim(), readFileSync(after, 'utf8').trim()], ['0', '0']);
  });

  it('get the XML on stdin, each the whole of it, and next to nothing in the environment', () => {
    const on = stage('amd-rdna3-desktop');
    const [first, second, seen] = ['1', '2', 'env'].map((name) => join(on.directory, name)) as [
      string,
      string,
      string,
    ];
    put(on, 'prepare/begin/1', `#!/bin/sh\ncat > "${first}"\n`);
    put(on, 'prepare/begin/2', `#!/bin/sh\ncat > "${second}"; { env; pwd; } > "${seen}"\n`);
    assert.equal(at(on, 'prepare', 'begin').status, 0);
    assert.equal(readFileSync(first, 'utf8'), win11.xml);
    assert.equal(readFileSync(second, 'utf8'), win11.xml);
    const names = readFileSync(seen, 'utf8').trimEnd().split('\n');
    assert.deepEqual(names.filter((line) => !/^(?:PWD|OLDPWD|SHLVL|_)=/.test(line)).sort(), [
      '/',
      'LC_ALL=C',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    ]);
  });

  it('one in place of the directory is the script, as dispatchers have it', () => {
    const on = stage('amd-rdna3-desktop');
    const ran = join(on.directory, 'ran');
    put(on, 'start/begin', note(ran));
    assert.equal(at(on, 'start', 'begin').status, 0);
    assert.deepEqual(notes(on, ran), [`${win11.name}/start/begin ${win11.name} start begin -`]);
  });

  it('are run for a guest without host devices, too', () => {
    const on = stage('amd-rdna3-desktop');
    const ran = join(on.directory, 'ran');
    put(on, 'prepare/begin/x', note(ran), withoutDevices.name);
    assert.equal(at(on, 'prepare', 'begin', '-', withoutDevices).status, 0);
    assert.equal(notes(on, ran).length, 1);
  });

  it('what they write is in the log, line by line, and nowhere else', () => {
    const on = scripted({
      'prepare/begin/talk': '#!/bin/sh\necho one; echo; echo two >&2; printf "three\\033[31m"\n',
    });
    const { status, stdout, stderr } = at(on, 'prepare', 'begin');
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
    for (const line of ['one', 'two', 'three\\u{1b}[31m']) {
      assert.ok(log(on).includes(`${line} guest=${win11.name} step=prepare/begin/talk`), log(on));
    }
  });

  it('an endless one does not fill the log', () => {
    const on = scripted({
      'prepare/begin/talk': '#!/bin/sh\ni=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done\n',
    });
    assert.equal(at(on, 'prepare', 'begin').status, 0);
    assert.ok(log(on).includes('line 499 '));
    assert.ok(!log(on).includes('line 500 '));
    assert.match(log(on), /more than 500 lines/);
  });

  for (const [operation, sub] of [
    ['prepare', 'begin'],
    ['start', 'begin'],
    ['started', 'begin'],
    ['migrate', 'begin'],
    ['restore', 'begin'],
  ] as const) {
    it(`one that fails at ${operation} ends it, with its name and last words, and none behind it runs`, () => {
      const on = stage('amd-rdna3-desktop');
      const before = picture(on);
      const ran = join(on.directory, 'ran');
      put(on, `${operation}/${sub}/1`, '#!/bin/sh\necho "the lamp is off"; exit 3\n');
      put(on, `${operation}/${sub}/2`, note(ran));
      const { status, stdout, stderr } = at(on, operation, sub);
      assert.equal(status, 1);
      assert.equal(stdout, '');
      assert.match(
        stderr,
        new RegExp(
          `^vfio-hook: error: the script ${operation}/${sub}/1 failed with status 3${operation === 'migrate' || operation === 'restore' ? '' : ': the lamp is off'}\nvfio-hook: hint: `,
        ),
      );
      assert.deepEqual(notes(on, ran), []);
      assert.deepEqual(picture(on), before);
      assert.deepEqual(claims(on), {});
    });
  }

  for (const [operation, sub] of [
    ['stopped', 'end'],
    ['reconnect', 'begin'],
  ] as const) {
    it(`one that fails at ${operation} is said and logged, the next one runs, and libvirt goes on`, () => {
      const on = stage('amd-rdna3-desktop');
      const ran = join(on.directory, 'ran');
      put(on, `${operation}/${sub}/1`, '#!/bin/sh\nexit 1\n');
      put(on, `${operation}/${sub}/2`, note(ran));
      const { status, stderr } = at(on, operation, sub);
      assert.equal(status, 0);
      assert.match(stderr, /the script \S+\/1 failed with status 1/);
      assert.match(log(on), /the script \S+\/1 failed with status 1 .*result=VH_SCRIPT/);
      assert.equal(notes(on, ran).length, 1);
    });
  }

  it('one that fails at release does not keep the devices', () => {
    const on = scripted({ 'release/end/1': '#!/bin/sh\nexit 1\n' });
    const before = picture(on);
    assert.equal(at(on, 'prepare', 'begin').status, 0);
    at(on, 'release', 'end');
    assert.deepEqual(picture(on), before);
    assert.deepEqual(claims(on), {});
  });

  it('scripts of a release run although the devices cannot be given back', () => {
    const on = stage('amd-rdna3-desktop');
    const ran = join(on.directory, 'ran');
    put(on, 'release/end/1', note(ran));
    assert.equal(at(on, 'prepare', 'begin').status, 0);
    fault(on, { path: '*/unbind', times: 'always', effect: { kind: 'fail', errno: 'EIO' } });
    assert.equal(at(on, 'release', 'end').status, 1);
    assert.equal(notes(on, ran).length, 1);
  });

  it('one that takes too long is ended with all that it has started', async () => {
    const on = stage('amd-rdna3-desktop');
    configure(on, 'config.yaml', 'timeouts: { script: 200ms }\n');
    const alive = join(on.directory, 'alive');
    put(on, 'prepare/begin/slow', `#!/bin/sh\nsleep 600 & echo $! > "${alive}"; echo waiting; wait\n`);
    const { status, stderr } = at(on, 'prepare', 'begin');
    assert.equal(status, 1);
    assert.match(stderr, /the script prepare\/begin\/slow has taken longer than 0.2 s: waiting/);
    await until(() => hasEnded(readFileSync(alive, 'utf8').trim()));
  });

  it('one that does not hear of its end is killed', () => {
    const on = stage('amd-rdna3-desktop');
    configure(on, 'config.yaml', 'timeouts: { script: 200ms }\n');
    put(on, 'prepare/begin/deaf', '#!/bin/sh\ntrap "" TERM\nwhile :; do sleep 0.1; done\n');
    assert.match(at(on, 'prepare', 'begin').stderr, /has taken longer than 0.2 s/);
  }).timeout(20_000);

  it('one that leaves something running in the background does not keep libvirt waiting', () => {
    const on = stage('amd-rdna3-desktop');
    const pid = join(on.directory, 'pid');
    put(on, 'started/begin/x', `#!/bin/sh\nsleep 60 & echo $! > "${pid}"\n`);
    const { status } = at(on, 'started', 'begin');
    assert.equal(status, 0);
    const left = Number(readFileSync(pid, 'utf8'));
    assert.ok(existsSync(`/proc/${left}`));
    process.kill(left, 'SIGKILL');
  });

  it('a hook that is told to end ends its script first', async () => {
    const on = stage('amd-rdna3-desktop');
    const pid = join(on.directory, 'pid');
    put(on, 'prepare/begin/x', `#!/bin/sh\necho $$ > "${pid}.new"; mv "${pid}.new" "${pid}"; sleep 600\n`);
    const running = startHook([win11.name, 'prepare', 'begin', '-', ...on.option], { input: win11.xml });
    await until(() => existsSync(pid));
    running.process.kill('SIGTERM');
    const { status, stderr } = await running.ended;
    assert.equal(status, 1);
    assert.match(stderr, /was ended, since the hook was told to end/);
    await until(() => hasEnded(readFileSync(pid, 'utf8').trim()));
  });

  it('one that others may write to is refused, and what to do about it', () => {
    for (const place of ['prepare/begin/x', 'prepare/begin', 'prepare']) {
      const on = scripted({ 'prepare/begin/x': '#!/bin/sh\nexit 0\n' });
      const path = join(on.directory, 'qemu.d', win11.name, place);
      chmodSync(path, 0o777);
      const { status, stderr } = at(on, 'prepare', 'begin');
      assert.equal(status, 1);
      assert.match(stderr, /cannot trust the script prepare\/begin\/x: others than .* may write to /);
      assert.ok(stderr.includes(`chmod go-w ${path}`), stderr);
    }
  });

  it('a link is followed, and what it leads to must be as safe', () => {
    const on = stage('amd-rdna3-desktop');
    const ran = join(on.directory, 'ran');
    const shared = join(on.directory, 'shared');
    writeFileSync(shared, note(ran), { mode: 0o755 });
    mkdirSync(join(on.directory, 'qemu.d', win11.name, 'prepare/begin'), { recursive: true });
    symlinkSync(shared, join(on.directory, 'qemu.d', win11.name, 'prepare/begin/x'));
    assert.equal(at(on, 'prepare', 'begin').status, 0);
    chmodSync(shared, 0o757);
    at(on, 'release', 'end');
    assert.match(at(on, 'prepare', 'begin').stderr, /cannot trust the script/);
    assert.equal(notes(on, ran).length, 1);
  });

  it('a file that does not say what runs it is for sh, as elsewhere; one whose program is missing is refused', () => {
    const ran = 'ran';
    const on = scripted({ 'start/begin/x': '#!/no/such/shell\n' });
    put(on, 'prepare/begin/x', `echo "$0" > "${join(on.directory, ran)}"\n`);
    assert.equal(at(on, 'prepare', 'begin').status, 0);
    assert.ok(existsSync(join(on.directory, ran)));
    assert.match(
      at(on, 'start', 'begin').stderr,
      /cannot be run \(ENOENT\)[^]*its first line names is not there/,
    );
  });

  it('the XML that one writes at restore goes to the next one, then to libvirt', () => {
    const on = scripted({
      'restore/begin/1': '#!/bin/sh\nsed "s/win11/first-/g"; echo said >&2\n',
      'restore/begin/2': '#!/bin/sh\ncat > /dev/null\n',
      'restore/begin/3': '#!/bin/sh\nsed "s/first-/third-/g"\n',
    });
    const { status, stdout } = at(on, 'restore', 'begin');
    assert.equal(status, 0);
    assert.equal(stdout, win11.xml.replaceAll('win11', 'third-'));
    assert.match(log(on), /said .*step=restore\/begin\/1/);
    assert.doesNotMatch(log(on), /<domain/);
  });

  it('nothing of a guest called .. is looked for, nor of one with a slash', () => {
    const on = stage('amd-rdna3-desktop');
    const ran = join(on.directory, 'ran');
    mkdirSync(join(on.directory, 'qemu.d'));
    mkdirSync(join(on.directory, 'start'), { recursive: true });
    writeFileSync(join(on.directory, 'start/begin'), note(ran), { mode: 0o755 });
    for (const name of ['..', '.', '../qemu.d/..', '']) {
      assert.equal(at(on, 'start', 'begin', '-', { ...withoutDevices, name }).status, 0);
    }
    assert.deepEqual(notes(on, ran), []);
  });

  describe('between the unbind and the bind of a device', () => {
    const rule = 'devices:\n  - match: "0000:03:00.0"\n    between: [{script: wake.sh}]\n';
    const between = (text: string): Stage => {
      const on = scripted({ 'prepare/between/wake.sh': text });
      configure(on, `domains/${win11.name}.yaml`, rule);
      return on;
    };

    it('run then, once, with the address in the environment and the XML on stdin', () => {
      const on = stage('amd-rdna3-desktop');
      const seen = join(on.directory, 'seen');
      put(
        on,
        'prepare/between/wake.sh',
        `#!/bin/sh\n{ echo "$*"; env | grep VFIO; grep -c "<name>${win11.name}" ; } >> "${seen}"\necho 'the card is awake'\n`,
      );
      configure(on, `domains/${win11.name}.yaml`, rule);
      for (const [operation, sub] of [
        ['prepare', 'begin'],
        ['start', 'begin'],
        ['started', 'begin'],
        ['stopped', 'end'],
        ['release', 'end'],
      ] as const) {
        const { status, stderr } = at(on, operation, sub);
        assert.deepEqual([status, stderr], [0, ''], operation);
      }
      assert.deepEqual(readFileSync(seen, 'utf8').trimEnd().split('\n'), [
        `${win11.name} prepare between -`,
        'VFIO_HOOK_DEVICE=0000:03:00.0',
        '1',
      ]);
      assert.match(log(on), /prepare\/between\/wake\.sh.*the card is awake|the card is awake.*wake\.sh/);
      assert.deepEqual(drivers(on, GPU), ['amdgpu', 'snd_hda_intel']);
    });

    it('end the start when they fail, with everything as it was', () => {
      const on = between("#!/bin/sh\necho 'no answer from the card'\nexit 4\n");
      const { status, stderr } = at(on, 'prepare', 'begin');
      assert.equal(status, 1);
      assert.match(
        stderr,
        /cannot run the script wake\.sh for 0000:03:00\.0: it failed with status 4: no answer from the card; guest .* is not started and everything is as it was/,
      );
      assert.deepEqual(drivers(on, GPU), ['amdgpu', 'snd_hda_intel']);
      assert.deepEqual(claims(on), {});
    });

    const refusals: readonly (readonly [name: string, spoil: (path: string) => void, reason: RegExp])[] = [
      [
        'is not executable',
        (path) => {
          chmodSync(path, 0o644);
        },
        /is not executable/,
      ],
      [
        'others may write to',
        (path) => {
          chmodSync(path, 0o777);
        },
        /cannot trust the script prepare\/between\/wake\.sh/,
      ],
      [
        'is not there',
        (path) => {
          rmSync(path);
        },
        /is not there/,
      ],
    ];
    for (const [name, spoil, reason] of refusals) {
      it(`refuse the start before its first change when one ${name}`, () => {
        const on = between('#!/bin/sh\n');
        spoil(join(on.directory, 'qemu.d', win11.name, 'prepare/between/wake.sh'));
        const before = picture(on);
        const { status, stderr } = at(on, 'prepare', 'begin');
        assert.equal(status, 1);
        assert.match(stderr, reason);
        assert.deepEqual(picture(on), before);
      });
    }
  });
});
