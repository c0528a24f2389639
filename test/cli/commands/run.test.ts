import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../until.ts';
import {
  BARE_ENVIRONMENT,
  callHook,
  installation,
  startHook,
  type Ended,
  type Running,
} from '../../hook/compiled.ts';
import {
  changes,
  claims,
  configure,
  drivers,
  exampleGuest,
  fault,
  picture,
  stage,
  succeeds,
  type Stage,
} from '../../hook/stage.ts';

const CARD = ['0000:03:00.0', '0000:03:00.1'] as const;
const HOST = ['amdgpu', 'snd_hda_intel'] as const;
const VFIO = ['vfio-pci', 'vfio-pci'] as const;

const args = (on: Stage, ...command: readonly string[]): string[] => [
  'run',
  '--device',
  '03:00.0',
  ...on.option,
  '--',
  ...command,
];

/** Runs a command to its end. */
function run(on: Stage, ...command: readonly string[]): Ended {
  return callHook(args(on, ...command), { program: installation().command });
}

/** Runs a script of sh beside the test, and returns when it has said `ready`. */
async function begin(
  on: Stage,
  script: string,
): Promise<Running & { says: (text: string) => Promise<void> }> {
  const running = startHook(args(on, 'sh', '-c', script), { program: installation().command });
  let text = '';
  running.process.stdout?.on('data', (data: string) => (text += data));
  const says = (wanted: string): Promise<void> => until(() => text.includes(wanted));
  await says('ready');
  return { ...running, says };
}

/** A script that goes on until a file of this name appears, and hears signals between two looks. */
const untilThere = (file: string): string => `while [ ! -e '${file}' ]; do sleep 0.02; done`;

describe('vfio-hook run', () => {
  it('gives the program the devices, its own stdin, stdout and stderr, and passes its status on', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const machine = join(on.directory, 'machine.json');
    const look = `grep -o '"driver": *"vfio-pci"' '${machine}' | wc -l; cat; echo talk >&2; exit 42`;
    const ended = callHook(args(on, 'sh', '-c', look), {
      program: installation().command,
      input: 'from stdin\n',
    });
    assert.deepEqual([ended.status, ended.stderr], [42, 'talk\n']);
    assert.match(ended.stdout, /^2\nfrom stdin\n$/);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('resizes BARs for the time of the program', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const ended = callHook(
      ['run', '--device', '03:00.0,bar2=8MiB', '--device', '0f:00.3', ...on.option, '--', 'true'],
      { program: installation().command },
    );
    assert.deepEqual(ended, { status: 0, signal: null, stdout: '', stderr: '' });
    assert.ok(
      on.machine.journal().some(({ path, value }) => path.endsWith('/resource2_resize') && value === '3\n'),
    );
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('passes options behind -- to the program, its --help among them', () => {
    const on = stage('amd-rdna3-desktop');
    assert.deepEqual(run(on, 'echo', '--help', '-h', '--device', '--').stdout, '--help -h --device --\n');
  });

  it('gives the program this environment, and makes a shell of nothing', () => {
    const on = stage('amd-rdna3-desktop');
    const ended = callHook(args(on, 'printf', '%s', '$(id); `id` "'), {
      program: installation().command,
      env: { ...BARE_ENVIRONMENT, COLOUR: 'blue' },
    });
    assert.equal(ended.stdout, '$(id); `id` "');
    const env = callHook(args(on, 'env'), {
      program: installation().command,
      env: { ...BARE_ENVIRONMENT, COLOUR: 'blue' },
    });
    assert.match(env.stdout, /^COLOUR=blue$/m);
  });

  it('holds the devices while the program runs: status says by whom, guests are refused, recover leaves them', async () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const go = join(on.directory, 'go');
    const running = await begin(on, `echo ready; ${untilThere(go)}`);
    assert.deepEqual(drivers(on, CARD), VFIO);
    await until(() =>
      Object.values(claims(on)).some(({ owner }) => owner.kind === 'run' && owner.processes.length === 2),
    );
    const command = (...words: readonly string[]): Ended =>
      callHook([...words, ...on.option], { program: installation().command });
    assert.match(
      command('status').stdout,
      /^run sh \(.*\): held for .*, since .*\n(.*\n)* {2}"sh" is running \(pid \d+\)\n$/,
    );
    assert.match(command('recover').stdout, /^run sh: left alone\n/);
    assert.match(command('reattach', '03:00.0').stderr, /vfio-hook run "sh" holds it/);
    const { xml, name } = exampleGuest('windows-11-rx7900xtx');
    const refused = callHook([name, 'prepare', 'begin', '-', ...on.option], { input: xml });
    assert.match(refused.stderr, /vfio-hook run "sh" holds it/);
    assert.deepEqual(drivers(on, CARD), VFIO);
    writeFileSync(go, '');
    assert.equal((await running.ended).status, 0);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  for (const [signal, status] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ] as const) {
    it(`passes ${signal} on, and says how the program ended: ${status}, with everything back`, async () => {
      const on = stage('amd-rdna3-desktop');
      const before = picture(on);
      const running = await begin(on, 'ulimit -c 0; echo ready; exec sleep 60');
      running.process.kill(signal);
      assert.equal((await running.ended).status, status);
      assert.deepEqual([picture(on), claims(on)], [before, {}]);
    });
  }

  it('a program that ends by itself on a signal has its own status', async () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const running = await begin(on, `trap 'exit 7' TERM; echo ready; ${untilThere('/nonexistent')}`);
    running.process.kill('SIGTERM');
    assert.equal((await running.ended).status, 7);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('a program that ignores SIGTERM keeps its devices for as long as it runs', async () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const go = join(on.directory, 'go');
    const running = await begin(on, `trap 'echo heard' TERM; echo ready; ${untilThere(go)}; exit 5`);
    running.process.kill('SIGTERM');
    await running.says('heard');
    running.process.kill('SIGTERM');
    assert.deepEqual([running.process.exitCode, drivers(on, CARD)], [null, VFIO]);
    writeFileSync(go, '');
    assert.equal((await running.ended).status, 5);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('a program that is killed: 137, with everything back', async () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const running = await begin(on, 'echo ready $$; kill -9 $$');
    assert.equal((await running.ended).status, 137);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('is killed itself: recover leaves the devices to the program, and gives them back after it', async () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const go = join(on.directory, 'go');
    const running = await begin(on, `echo ready; ${untilThere(go)}`);
    await until(() =>
      Object.values(claims(on)).some(({ owner }) => owner.kind === 'run' && owner.processes.length === 2),
    );
    running.process.kill('SIGKILL');
    await until(() => running.process.signalCode !== null);
    const recover = (): string =>
      callHook(['recover', ...on.option], { program: installation().command }).stdout;
    assert.match(recover(), /^run sh: left alone\n/);
    assert.deepEqual(drivers(on, CARD), VFIO);
    writeFileSync(go, '');
    await running.ended;
    await until(
      () =>
        recover().startsWith('run sh: its devices are as they were') || Object.keys(claims(on)).length === 0,
    );
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  const notStarted: readonly (readonly [name: string, command: string, status: number, says: string])[] = [
    [
      'there is no such program',
      'no-such-program',
      127,
      'cannot run "no-such-program": there is no such program',
    ],
    [
      'there is no such file',
      '/nonexistent/vmm',
      127,
      'cannot run "/nonexistent/vmm": there is no such program',
    ],
    ['a file that is no program', '/etc/passwd', 126, 'cannot run "/etc/passwd": EACCES'],
    ['a directory', '/etc', 127, 'cannot run "/etc": there is no such program'],
  ];
  for (const [name, command, status, says] of notStarted) {
    it(`${name}: ${status}, before anything is changed`, () => {
      const on = stage('amd-rdna3-desktop');
      const ended = run(on, command);
      assert.deepEqual([ended.status, ended.stderr], [status, `vfio-hook: error: ${says}\n`]);
      assert.deepEqual([changes(on), claims(on)], [0, {}]);
    });
  }

  it('a program that the kernel refuses to start: 126, with everything back', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const file = join(on.directory, 'broken');
    writeFileSync(file, '#!/nonexistent/interpreter\n', { mode: 0o755 });
    const ended = run(on, file);
    assert.ok([126, 127].includes(ended.status ?? 0), ended.stderr);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('devices that are refused: 125, and the program never starts', () => {
    const on = stage('amd-rdna3-desktop');
    succeeds(on, exampleGuest('windows-11-rx7900xtx'), 'prepare');
    const ended = run(on, 'echo', 'started');
    assert.deepEqual([ended.status, ended.stdout], [125, '']);
    assert.match(
      ended.stderr,
      /cannot give 0000:03:00\.0 to vfio-hook run "echo": guest "win11-rx7900" holds it/,
    );
  });

  it('devices that cannot be detached: 125, with everything as it was', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    fault(on, { path: '*/vfio-pci/bind', value: CARD[1], effect: { kind: 'fail', errno: 'EIO' } });
    const ended = run(on, 'echo', 'started');
    assert.deepEqual([ended.status, ended.stdout], [125, '']);
    assert.match(ended.stderr, /; "echo" is not started and everything is as it was\n$/);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('a signal while the devices are detached: the program never starts, and everything is as it was', async () => {
    const on = stage('amd-rdna3-desktop');
    configure(on, 'config.yaml', 'timeouts: { kernelWrite: 20s }\n');
    const before = picture(on);
    fault(on, { id: 'slow', path: '*/amdgpu/unbind', effect: { kind: 'hang' } });
    const running = startHook(args(on, 'echo', 'started'), { program: installation().command });
    await until(() => on.machine.journal().some(({ path }) => path.endsWith('/amdgpu/unbind')));
    running.process.kill('SIGTERM');
    on.machine.perform({ do: 'release-fault', id: 'slow' });
    const ended = await running.ended;
    assert.deepEqual([ended.status, ended.stdout], [143, '']);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('devices that do not go back: 125, saying how the program ended, and recover retries', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    fault(on, { path: '*/amdgpu/bind', effect: { kind: 'fail', errno: 'EIO' } });
    const ended = run(on, 'sh', '-c', 'exit 3');
    assert.equal(ended.status, 125);
    assert.match(
      ended.stderr,
      /^vfio-hook: error: "sh" has ended with status 3, but its devices are not back: cannot bind 0000:03:00\.0 to amdgpu: EIO .*\nvfio-hook: hint: retry with: vfio-hook recover\n$/,
    );
    assert.equal(callHook(['recover', ...on.option], { program: installation().command }).status, 0);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('a program that leaves another one behind with the devices: 125, and nothing is taken from it', async () => {
    const on = stage('amd-rdna3-desktop');
    const go = join(on.directory, 'go');
    const running = await begin(on, `echo ready; ${untilThere(go)}`);
    on.machine.perform({ do: 'open-group', devices: [...CARD], guest: 'daemon', pid: 4242 });
    writeFileSync(go, '');
    const ended = await running.ended;
    assert.equal(ended.status, 125);
    assert.match(ended.stderr, /its devices are not back: IOMMU group 16 is open in .*\(pid 4242\)\n/);
    assert.deepEqual(drivers(on, CARD), VFIO);
    on.machine.perform({ do: 'close-group', guest: 'daemon' });
    assert.equal(callHook(['recover', ...on.option], { program: installation().command }).status, 0);
    assert.deepEqual(drivers(on, CARD), HOST);
  });

  it('what was detached by hand stays detached', () => {
    const on = stage('amd-rdna3-desktop');
    const command = (...words: readonly string[]): Ended =>
      callHook([...words, ...on.option], { program: installation().command });
    assert.equal(command('detach', '03:00.0').status, 0);
    const count = changes(on);
    assert.equal(run(on, 'true').status, 0);
    assert.deepEqual([changes(on), drivers(on, CARD)], [count, VFIO]);
    assert.equal(command('reattach', '03:00.0').status, 0);
    assert.deepEqual(drivers(on, CARD), HOST);
  });

  it('wants a device and a program', () => {
    const on = stage('amd-rdna3-desktop');
    for (const words of [
      ['--', 'true'],
      ['--device', '03:00.0'],
      ['--device', '3:0', '--', 'true'],
    ]) {
      const { status, stderr } = callHook(['run', ...on.option, ...words], {
        program: installation().command,
      });
      assert.equal(status, 125, stderr);
      assert.equal(changes(on), 0);
    }
  });
});
