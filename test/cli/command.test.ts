import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commands } from '../../src/cli/commands/index.ts';
import { expectGolden } from '../golden.ts';
import { domain, host, isPlain, machine, run, runAlone, shown } from './run.ts';
import {
  TERMINAL_ENVIRONMENT,
  example,
  installation,
  repository,
  startHook,
  temporaryDirectory,
  type Ended,
} from '../hook/compiled.ts';
import {
  call,
  changes,
  claims,
  configure,
  exampleGuest,
  fault,
  guestWith,
  picture,
  stage,
  steady,
  succeeds,
} from '../hook/stage.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');

describe('vfio-hook: help and usage', () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    'no-arguments': [],
    help: ['--help'],
    version: ['--version'],
    'unknown-command': ['frobnicate'],
    'mistyped-command': ['staus'],
    'unknown-option': ['plan', '--nonsense', 'x.xml'],
    'unknown-switch': ['status', '-x'],
    'missing-operand': ['hostdevs'],
    'extra-operand': ['status', 'extra'],
    'two-operands': ['hostdevs', 'a', 'b'],
    'missing-value': ['simulate', '--host'],
    'missing-option': ['simulate', '--host', host('lab-q35')],
    'value-for-a-switch': ['status', '--json=yes'],
    'missing-file': ['plan', '/nonexistent/guest.xml'],
    'missing-machine': ['simulate', '--host', '/nonexistent/host.yaml', '--domain', domain('decoys')],
    'missing-configuration': [
      'simulate',
      '--host',
      host('amd-rdna3-desktop'),
      '--domain',
      domain('windows-11-rx7900xtx'),
      '--config',
      '/nonexistent/guest.yaml',
    ],
    'machine-that-is-none': [
      'simulate',
      '--host',
      join(repository, 'package.json'),
      '--domain',
      domain('decoys'),
    ],
    'help-of-nothing': ['help', 'nothing'],
    'hostile-word': ['\u001b[2J\n; rm'],
  };
  for (const [golden, args] of Object.entries(cases)) {
    it(golden.replaceAll('-', ' '), () => {
      const ended = runAlone(args);
      isPlain(ended);
      expectGolden(`cli/golden/${golden}.txt`, shown(ended));
      // What is asked for goes to stdout, what went wrong to stderr.
      const asked = ['help', 'version'].includes(golden);
      assert.equal(ended.stderr === '', asked || golden === 'no-arguments');
    });
  }

  for (const { name } of commands) {
    it(`${name} --help, in each of its spellings`, () => {
      const ended = run([name, '--help']);
      isPlain(ended);
      assert.deepEqual([ended.status, ended.stderr], [0, '']);
      expectGolden(`cli/golden/${name}-help.txt`, ended.stdout);
      for (const args of [
        [name, '-h'],
        ['help', name],
        [name, 'x', '--help'],
      ])
        assert.deepEqual(run(args), ended);
    });
  }

  it('the help of all names every command, and fits a terminal', () => {
    const { stdout } = run(['--help']);
    for (const { name, about } of commands)
      assert.match(stdout, new RegExp(`^ {2}${name} +${about.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`, 'm'));
    for (const line of stdout.split('\n')) assert.ok(line.length <= 110, line);
  });
});

describe('vfio-hook hostdevs', () => {
  for (const file of readdirSync(join(repository, 'examples/domains'))) {
    const title = file.replace(/\.xml$/, '');
    it(`${title}: as text, and as JSON the same`, () => {
      const text = run(['hostdevs', domain(title)]);
      const json = run(['hostdevs', domain(title), '--json']);
      for (const ended of [text, json]) {
        assert.deepEqual([ended.status, ended.stderr], [0, '']);
        isPlain(ended);
      }
      expectGolden(`cli/golden/hostdevs-${title}.txt`, text.stdout);
      const devices = JSON.parse(json.stdout) as {
        kind: string;
        address?: string;
        uuid?: string;
        managed: boolean;
      }[];
      if (devices.length > 0) {
        assert.deepEqual(
          text.stdout
            .trimEnd()
            .split('\n')
            .map((line) => line.split(' ').slice(0, 3)),
          devices.map(({ kind, address, uuid, managed }) => [
            address ?? uuid,
            kind,
            `managed=${managed ? 'yes' : 'no'}`,
          ]),
        );
      }
    });
  }

  it('reads standard input for -', () => {
    const input = example('domains/decoys.xml');
    assert.deepEqual(run(['hostdevs', '-'], { input }), run(['hostdevs', domain('decoys')]));
  });

  it('refuses XML that is none', () => {
    const ended = run(['hostdevs', '-'], { input: 'garbage' });
    assert.deepEqual([ended.status, ended.stdout], [1, '']);
    assert.match(ended.stderr, /^vfio-hook: error: cannot read the domain XML: [^\n]+\n$/);
  });
});

describe('vfio-hook plan', () => {
  it('shows verdicts and steps, and changes nothing', () => {
    const on = machine();
    const before = picture(on);
    const ended = run(['plan', domain('windows-11-rx7900xtx'), ...on.option]);
    isPlain(ended);
    expectGolden('cli/golden/plan.txt', shown(ended, on));
    assert.deepEqual([picture(on), changes(on), claims(on)], [before, 0, {}]);
    assert.deepEqual(readdirSync(on.directory), ['machine.json']);
  });

  it('as JSON, with a resized BAR', () => {
    const on = machine();
    configure(on, `domains/${win11.name}.yaml`, 'devices: [{ match: vga, bars: { 2: 8MiB } }]\n');
    const ended = run(['plan', '-', '--json', ...on.option], { input: win11.xml });
    assert.deepEqual([ended.status, ended.stderr], [0, '']);
    expectGolden('cli/golden/plan.json', ended.stdout);
  });

  it('its steps are the writes that the hook makes', () => {
    const on = machine();
    configure(on, `domains/${win11.name}.yaml`, 'devices: [{ match: vga, bars: { 2: 8MiB } }]\n');
    const { steps } = JSON.parse(run(['plan', '-', '--json', ...on.option], { input: win11.xml }).stdout) as {
      steps: { command: string }[];
    };
    succeeds(on, win11, 'prepare');
    assert.deepEqual(
      on.machine
        .journal()
        .map(({ operation, path, value }) =>
          operation === 'write' ? `echo ${value.trim()} > ${path}` : `modprobe -b ${path}`,
        ),
      // It comes along with vfio-pci.
      steps.map(({ command }) => command).filter((command) => command !== 'modprobe -b vfio_iommu_type1'),
    );
  });

  it('a guest that would be refused: status 2, with the reason of each device', () => {
    const on = machine();
    succeeds(
      on,
      guestWith(['0000:03:00.1'], { name: 'rival', uuid: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11' }),
      'prepare',
    );
    const count = changes(on);
    expectGolden(
      'cli/golden/plan-refused.txt',
      shown(run(['plan', '-', ...on.option], { input: win11.xml }), on),
    );
    const json = run(['plan', '-', '--json', ...on.option], { input: win11.xml });
    assert.equal(json.status, 2);
    assert.equal((JSON.parse(json.stdout) as { ready: boolean }).ready, false);
    assert.equal(changes(on), count);
  });

  const xorg = { name: 'Xorg', unit: { name: 'lightdm.service' }, nodes: ['/dev/dri/card0'], sessions: [] };

  it('devices that the host uses: each use, and what would allow it', () => {
    const on = stage('intel-arc', (spec) => ({ ...spec, processes: [xorg] }));
    const args = ['plan', domain('intel-arc-a770'), ...on.option];
    const ended = run(args);
    isPlain(ended);
    expectGolden('cli/golden/plan-host-use.txt', shown(ended, on));
    const json = run([...args, '--json']);
    assert.equal(json.status, 2);
    expectGolden('cli/golden/plan-host-use.json', json.stdout);
    assert.equal(changes(on), 0);
  });

  it('devices that the host uses and may lose', () => {
    const on = stage('intel-arc');
    configure(on, 'domains/media-arc.yaml', example('configs/single-gpu.yaml'));
    const args = ['plan', domain('intel-arc-a770'), ...on.option];
    expectGolden('cli/golden/plan-host-use-allowed.txt', shown(run(args), on));
    const { verdicts } = JSON.parse(run([...args, '--json']).stdout) as {
      verdicts: { allowed?: { reason: string }[] }[];
    };
    assert.deepEqual(
      verdicts.map(({ allowed }) => allowed?.map(({ reason }) => reason)),
      [['boot-vga', 'console'], undefined],
    );
  });

  it('a guest without host devices: nothing to do', () => {
    const on = machine();
    expectGolden(
      'cli/golden/plan-nothing.txt',
      shown(run(['plan', domain('without-host-devices'), ...on.option]), on),
    );
  });

  it('without pci.ids the ids stand for themselves', () => {
    const on = stage('amd-rdna3-desktop');
    const { stdout } = run(['plan', '-', ...on.option], { input: win11.xml });
    assert.match(
      stdout,
      /0000:03:00\.0 VGA compatible controller \[0300\]: Device \[1002:744c\] \(rev c8\)\n/,
    );
  });

  it('an error is said on stderr as the hook says it', () => {
    const on = machine();
    const guest = guestWith(['0000:7f:00.0']);
    const ended = run(['plan', '-', ...on.option], { input: guest.xml });
    assert.deepEqual([ended.status, ended.stdout], [1, '']);
    assert.equal(ended.stderr, call(on, guest, 'prepare').stderr);
  });
});

describe('vfio-hook status and recover', () => {
  it('nobody holds anything', () => {
    const on = machine();
    expectGolden('cli/golden/status-none.txt', shown(run(['status', ...on.option]), on));
    assert.deepEqual(JSON.parse(run(['status', '--json', ...on.option]).stdout), {
      claims: [],
      damaged: [],
      outdated: [],
      unclaimed: [],
    });
    expectGolden('cli/golden/recover-none.txt', shown(run(['recover', ...on.option]), on));
  });

  it('a guest that runs is shown, and left alone', () => {
    const on = machine();
    succeeds(on, win11, 'prepare');
    on.machine.perform({ do: 'open-group', devices: ['0000:03:00.0'], guest: win11.name, pid: 4242 });
    const held = picture(on);
    expectGolden('cli/golden/status-held.txt', shown(run(['status', ...on.option]), on));
    const json = run(['status', '--json', ...on.option]);
    assert.equal(json.status, 0);
    expectGolden(
      'cli/golden/status-held.json',
      steady(json.stdout, on).replace(/"(pid|startTime|bootId|ageMs)": [^,\n]+/g, '"$1": "…"'),
    );
    for (const options of [[], ['--dry-run'], ['-n']]) {
      expectGolden('cli/golden/recover-running.txt', shown(run(['recover', ...options, ...on.option]), on));
    }
    assert.deepEqual(picture(on), held);
  });

  it('a guest whose hook was killed: said by status, shown by the dry run, given back by recover', () => {
    const on = machine();
    const before = picture(on);
    fault(on, { path: '*/vfio-pci/bind', effect: { kind: 'kill', when: 'after' } });
    call(on, win11, 'prepare');
    const count = changes(on);
    expectGolden('cli/golden/status-crashed.txt', shown(run(['status', ...on.option]), on));
    expectGolden('cli/golden/recover-dry-run.txt', shown(run(['recover', '--dry-run', ...on.option]), on));
    assert.equal(changes(on), count);
    const recovered = run(['recover', '--verbose', ...on.option]);
    expectGolden('cli/golden/recover.txt', shown({ ...recovered, stderr: '' }, on));
    assert.match(
      recovered.stderr,
      /^vfio-hook: step guest=\S+ device=0000:03:00\.0 step="unbind .*" result=done ms=\d+$/m,
    );
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
    assert.deepEqual(JSON.parse(run(['recover', '--json', ...on.option]).stdout), []);
  });

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    it(`${signal} ends recover after the claim that it is at: it says what is left, status 1`, async () => {
      const on = machine({}, 'server-8-gpu');
      const cards = ['0000:19:00.0', '0000:4d:00.0', '0000:8c:00.0'];
      const uuid = (index: number): string => `b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c1${index}`;
      const before = picture(on);
      for (const [index, card] of cards.entries()) {
        succeeds(on, guestWith([card], { name: `vm${index}`, uuid: uuid(index) }), 'prepare');
      }
      on.machine.perform({ do: 'stop-libvirt' });
      fault(on, { id: 'first', path: '*/vfio-pci/unbind', effect: { kind: 'hang' } });
      const recovering = startHook(['recover', ...on.option], { program: installation().command });
      const host = on.machine.host();
      const patience = performance.now() + 10_000;
      while (host.blockedWrites().length === 0) {
        assert.ok(performance.now() < patience, 'it writes nothing');
        await new Promise((resolve) => setImmediate(resolve));
      }
      recovering.process.kill(signal);
      on.machine.perform({ do: 'release-fault', id: 'first' });
      const { status, stdout, stderr } = await recovering.ended;
      assert.deepEqual(
        [status, stdout, stderr],
        [
          1,
          'guest vm0: its devices are as they were\n',
          `vfio-hook: error: stopped by ${signal}: 2 of 3 claims were not looked at\nvfio-hook: hint: go on with: vfio-hook recover\n`,
        ],
      );
      assert.equal(Object.keys(claims(on)).length, 2);
      assert.equal(run(['recover', ...on.option]).status, 0);
      assert.deepEqual([picture(on), claims(on)], [before, {}]);
    });
  }

  it('what cannot be put back: status 2, recover 1, with what is missing', () => {
    const on = machine();
    fault(on, { path: '*/vfio-pci/bind', value: '0000:03:00.1', effect: { kind: 'fail', errno: 'EIO' } });
    fault(on, { path: '*/amdgpu/bind', times: 'always', effect: { kind: 'fail', errno: 'EIO' } });
    assert.equal(call(on, win11, 'prepare').status, 1);
    expectGolden('cli/golden/status-incomplete.txt', shown(run(['status', ...on.option]), on));
    expectGolden('cli/golden/recover-incomplete.txt', shown(run(['recover', ...on.option]), on));
  });

  it('a claim that cannot be read: both say which', () => {
    const on = machine();
    mkdirSync(join(on.directory, 'run'), { mode: 0o700 });
    mkdirSync(join(on.directory, 'run/claims'), { mode: 0o700 });
    writeFileSync(join(on.directory, `run/claims/${win11.uuid}.json`), 'torn', { mode: 0o600 });
    expectGolden('cli/golden/status-damaged.txt', shown(run(['status', ...on.option]), on));
    expectGolden('cli/golden/recover-damaged.txt', shown(run(['recover', ...on.option]), on));
  });
});

describe('vfio-hook simulate', () => {
  /** Runs it with a directory for temporary files of its own, which must be empty afterwards. */
  function simulate(args: readonly string[]): Ended {
    const directory = temporaryDirectory();
    const ended = run(['simulate', ...args], { env: { ...TERMINAL_ENVIRONMENT, TMPDIR: directory } });
    assert.deepEqual(readdirSync(directory), []);
    isPlain(ended);
    return ended;
  }

  /** Without the times: their width differs, too. */
  const timeless = (text: string): string => text.replace(/ +(\S+) \(N ms\)/g, ' $1');

  it('plays a whole life and shows that nothing differs', () => {
    const ended = simulate(['--host', host('amd-rdna3-desktop'), '--domain', domain('windows-11-rx7900xtx')]);
    expectGolden('cli/golden/simulate.txt', timeless(shown(ended)));
    assert.match(ended.stdout, /\nNothing differs from before, on the whole machine\.\n$/);
  });

  it('with a configuration that resizes a BAR', () => {
    const ended = simulate([
      '--host',
      host('amd-rdna3-desktop'),
      '--domain',
      domain('windows-11-rx7900xtx'),
      '--config',
      join(repository, 'examples/configs/rdna3-bar2.yaml'),
    ]);
    assert.equal(ended.status, 0);
    assert.match(ended.stdout, /echo 3 > \/sys\/bus\/pci\/devices\/0000:03:00\.0\/resource2_resize +ok/);
  });

  it('a guest that is refused: status 1, with the hook’s own sentence', () => {
    const ended = simulate(['--host', host('nvidia-desktop'), '--domain', domain('windows-11-rx7900xtx')]);
    expectGolden('cli/golden/simulate-refused.txt', timeless(shown(ended)));
    assert.equal(ended.status, 1);
  });
});

describe('vfio-hook and its pipes', () => {
  it('a reader that stops early is no error', () => {
    const uuidOf = (index: number): string => `3f0b1d52-6b0e-4c7b-8a69-${String(index).padStart(12, '0')}`;
    const xml = `<domain><name>x</name><uuid>${win11.uuid}</uuid><devices>${Array.from({ length: 256 }, (_, index) => `<hostdev type='mdev' model='${'m'.repeat(400)}'><source><address uuid='${uuidOf(index)}'/></source></hostdev>`).join('')}</devices></domain>`;
    const file = join(temporaryDirectory(), 'large.xml');
    writeFileSync(file, xml);
    const script = '{ "$0" hostdevs "$1" --json; echo "status $?" >&2; } | head -n 1';
    const { stdout, stderr } = spawnSync('sh', ['-c', script, installation().command, file], {
      encoding: 'utf8',
      env: TERMINAL_ENVIRONMENT,
    });
    assert.deepEqual([stdout, stderr], ['[\n', 'status 0\n']);
    // More than a pipe holds: the writer cannot have been done before the reader left.
    assert.ok(run(['hostdevs', file, '--json']).stdout.length > 2 ** 16);
    assert.equal((JSON.parse(run(['hostdevs', file, '--json']).stdout) as unknown[]).length, 256);
  });

  it('a full disk is said, and is a failure', () => {
    const { status, stderr } = spawnSync('sh', ['-c', '"$0" --help >/dev/full', installation().command], {
      encoding: 'utf8',
      env: TERMINAL_ENVIRONMENT,
    });
    assert.equal(status, 1);
    assert.match(stderr, /^vfio-hook: error: .*ENOSPC/);
  });
});
