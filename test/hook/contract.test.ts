import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { BARE_ENVIRONMENT, callHook, choose, install, installation, temporaryDirectory } from './compiled.ts';
import {
  begin,
  call,
  changes,
  claims,
  configure,
  drivers,
  exampleGuest,
  fault,
  guestWith,
  moments,
  picture,
  stage,
  succeeds,
  type Stage,
} from './stage.ts';

const HOST = 'amd-rdna3-desktop';
const GPU = ['0000:03:00.0', '0000:03:00.1'];
const win11 = exampleGuest('windows-11-rx7900xtx');
const rival = guestWith(['0000:03:00.1'], { name: 'rival', uuid: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11' });
const quiet = { status: 0, signal: null, stdout: '', stderr: '' };

/** The first entry of the journal that has not returned, once there is one. */
async function pending({ machine }: Stage): Promise<string> {
  for (const end = performance.now() + 10_000; performance.now() < end;) {
    const open = machine.journal().find(({ result }) => result === undefined);
    if (open) return open.path;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail('no kernel write is under way');
}

/** Returns once the log has a line with this text. */
async function logged({ directory }: Stage, text: string): Promise<void> {
  const path = join(directory, 'vfio-hook.log');
  for (const end = performance.now() + 10_000; performance.now() < end;) {
    if (existsSync(path) && readFileSync(path, 'utf8').includes(text)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`the log does not say: ${text}`);
}

describe('operations, by the compiled hook in Node', () => {
  const on = stage(HOST);
  const table: readonly (readonly string[])[] = [
    ['start', 'begin', '-'],
    ['started', 'begin', '-'],
    ['stopped', 'end', '-'],
    ['reconnect', 'begin', '-'],
    ['migrate', 'begin', '-'],
    ['restore', 'begin', '-'],
    ['attach', 'begin', '-'],
    ['prepare', 'end', '-'],
    ['release', 'begin', '-'],
    ['Prepare', 'begin', '-'],
    ['__proto__', 'constructor', '-'],
    ['', '', ''],
  ];
  for (const operation of table) {
    it(`${JSON.stringify(operation.join(' '))} does nothing, whatever is on stdin`, () => {
      for (const input of [win11.xml, '<broken']) {
        assert.deepEqual(callHook([win11.name, ...operation, ...on.option], { input }), quiet);
      }
      assert.deepEqual([changes(on), claims(on)], [0, {}]);
    });
  }

  it('too few arguments are none of libvirt’s calls', () => {
    for (const args of [[], ['x'], ['x', 'prepare']])
      assert.deepEqual(callHook(args, { input: win11.xml }), quiet);
  });

  it('an error in the reason of a release does not matter: nothing depends on it', () => {
    const ours = stage(HOST);
    const before = picture(ours);
    for (const extra of ['-', 'destroyed', 'from snapshot', '$(id)', '\u001b[2J']) {
      succeeds(ours, win11, 'prepare');
      assert.deepEqual(callHook([win11.name, 'release', 'end', extra, ...ours.option]), quiet);
      assert.deepEqual(picture(ours), before);
    }
  });
});

describe('names, by the compiled hook', () => {
  const names = [
    '--help',
    '-rf',
    '-',
    '..',
    '.hidden',
    'a  b',
    'two\nlines',
    '"\'',
    '$(touch PWNED)',
    '`touch PWNED`;',
    'Gäste 客人',
    '\u202eevil',
    'n'.repeat(300),
  ];
  for (const name of names) {
    it(`${JSON.stringify(name.slice(0, 20))}: a guest like any other, its claim keyed by its UUID`, () => {
      const on = stage(HOST);
      const guest = guestWith([...GPU], { name, uuid: '3f0b1d52-6b0e-4c7b-8a69-2f1f6f1f9a10' });
      const before = picture(on);
      assert.deepEqual(call(on, guest, 'prepare'), quiet);
      assert.deepEqual(
        Object.entries(claims(on)).map(([file, claim]) => [
          file,
          claim.owner.kind === 'guest' && claim.owner.name,
        ]),
        [[`${guest.uuid}.json`, name]],
      );
      assert.deepEqual(readdirSync(on.directory).sort(), ['cache', 'machine.json', 'run', 'vfio-hook.log']);
      assert.deepEqual(call(on, guest, 'release'), quiet);
      assert.deepEqual([picture(on), claims(on)], [before, {}]);
      const log = readFileSync(join(on.directory, 'vfio-hook.log'), 'utf8');
      // eslint-disable-next-line no-control-regex -- what a log must never hold
      assert.doesNotMatch(log, /[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
      assert.equal(existsSync('/PWNED'), false);
    });
  }

  it('a name that drives a terminal is shown escaped', () => {
    const guest = guestWith(['0000:7f:00.0'], { name: 'x', uuid: win11.uuid });
    const hostile = '\u001b]0;owned\u0007\nvfio-hook: error: forged';
    const { status, stderr } = call(stage(HOST), { ...guest, name: hostile }, 'prepare');
    assert.equal(status, 1);
    assert.equal(
      stderr,
      'vfio-hook: error: cannot read the domain XML: its <name> is "x", expected "\\u{1b}]0;owned\\u{7}\\u{a}vfio-hook: error: forged"\n',
    );
  });

  it('two guests with one name are told apart by their UUIDs', () => {
    const on = stage('server-8-gpu');
    const [first, second] = ['0000:19:00.0', '0000:cc:00.0'].map((address, index) =>
      guestWith([address], { name: 'same', uuid: `3f0b1d52-6b0e-4c7b-8a69-00000000000${index}` }),
    );
    succeeds(on, first!, 'prepare');
    succeeds(on, second!, 'prepare');
    assert.equal(Object.keys(claims(on)).length, 2);
  });
});

describe('several hooks at once, on one machine', () => {
  it('on one IOMMU group exactly one wins, and the other says who holds it', async () => {
    const on = stage(HOST);
    const before = picture(on);
    const [one, two] = await Promise.all([
      begin(on, win11, 'prepare').ended,
      begin(on, rival, 'prepare').ended,
    ]);
    assert.deepEqual([one.status, two.status].sort(), [0, 1]);
    const [winner, loser, said] = one.status === 0 ? [win11, rival, two.stderr] : [rival, win11, one.stderr];
    assert.match(said, new RegExp(`^vfio-hook: error: .*guest "${winner.name}" holds it\n`));
    assert.deepEqual(Object.keys(claims(on)), [`${winner.uuid}.json`]);
    assert.deepEqual(drivers(on, GPU), ['vfio-pci', 'vfio-pci']);
    succeeds(on, loser, 'release');
    assert.deepEqual(drivers(on, GPU), ['vfio-pci', 'vfio-pci']);
    succeeds(on, winner, 'release');
    assert.deepEqual(picture(on), before);
  });

  it('on disjoint groups all win', async () => {
    const on = stage('server-8-gpu');
    const before = picture(on);
    const guests = ['0000:19:00.0', '0000:4d:00.0', '0000:cc:00.0'].map((address, index) =>
      guestWith([address], { name: `train-${index}`, uuid: `3f0b1d52-6b0e-4c7b-8a69-00000000000${index}` }),
    );
    const prepared = await Promise.all(guests.map((guest) => begin(on, guest, 'prepare').ended));
    assert.deepEqual(prepared, [quiet, quiet, quiet]);
    assert.equal(Object.keys(claims(on)).length, 3);
    const released = await Promise.all(guests.map((guest) => begin(on, guest, 'release').ended));
    assert.deepEqual(released, [quiet, quiet, quiet]);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('a hook that is slow with one group does not keep the guest of another group waiting', async () => {
    const on = stage('server-8-gpu');
    const [slow, fast] = ['0000:19:00.0', '0000:cc:00.0'].map((address, index) =>
      guestWith([address], { name: `train-${index}`, uuid: `3f0b1d52-6b0e-4c7b-8a69-00000000000${index}` }),
    );
    // unbind of the first one does not return until it is released: it waits as long as the test wants.
    fault(on, { id: 'h', path: '*/unbind', value: '0000:19:00.0', effect: { kind: 'hang' } });
    const waiting = begin(on, slow!, 'prepare');
    await pending(on);
    succeeds(on, fast!, 'prepare');
    assert.equal(waiting.process.exitCode, null);
    on.machine.perform({ do: 'release-fault', id: 'h' });
    assert.deepEqual(await waiting.ended, quiet);
  });

  it('the release of a guest that is just being prepared waits for it', async () => {
    const on = stage(HOST);
    const before = picture(on);
    fault(on, { id: 'h', path: '*/amdgpu/unbind', effect: { kind: 'hang' } });
    const preparing = begin(on, win11, 'prepare');
    await pending(on);
    const releasing = begin(on, win11, 'release');
    await logged(on, 'waiting for guest');
    on.machine.perform({ do: 'release-fault', id: 'h' });
    assert.deepEqual(await preparing.ended, quiet);
    assert.deepEqual(await releasing.ended, quiet);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });
});

describe('the compiled hook is ended while it works', () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    it(`${signal} during a slow kernel write: everything is put back, exit status 1`, async () => {
      const on = stage(HOST);
      const before = picture(on);
      fault(on, { id: 'h', path: '*/amdgpu/unbind', effect: { kind: 'hang' } });
      const running = begin(on, win11, 'prepare');
      await pending(on);
      running.process.kill(signal);
      on.machine.perform({ do: 'release-fault', id: 'h' });
      const ended = await running.ended;
      assert.deepEqual([ended.status, ended.signal, ended.stdout], [1, null, '']);
      assert.match(
        ended.stderr,
        new RegExp(
          `^vfio-hook: error: stopped before: .* \\(${signal}\\); guest "win11-rx7900" is not started and everything is as it was\n$`,
        ),
      );
      assert.deepEqual([picture(on), claims(on)], [before, {}]);
    });
  }

  it('a signal does not keep a release from giving everything back', async () => {
    const on = stage(HOST);
    const before = picture(on);
    succeeds(on, win11, 'prepare');
    fault(on, { id: 'h', path: '*/vfio-pci/unbind', effect: { kind: 'hang' } });
    const running = begin(on, win11, 'release');
    await pending(on);
    running.process.kill('SIGTERM');
    on.machine.perform({ do: 'release-fault', id: 'h' });
    assert.deepEqual(await running.ended, quiet);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  for (const when of ['before', 'after'] as const) {
    it(`killed right ${when} a kernel write: recover puts everything back`, () => {
      const on = stage(HOST);
      const before = picture(on);
      fault(on, { path: '*/vfio-pci/bind', effect: { kind: 'kill', when } });
      const ended = call(on, win11, 'prepare');
      assert.deepEqual([ended.status, ended.signal], [null, 'SIGKILL']);
      assert.equal(claims(on)[`${win11.uuid}.json`]?.state, 'preparing');
      assert.equal(callHook(['recover', ...on.option], { program: installation().command }).status, 0);
      assert.deepEqual([picture(on), claims(on)], [before, {}]);
    });
  }
});

describe('pipes of the compiled hook', () => {
  /** Calls it through sh, which closes or redirects a descriptor first. */
  function redirected(
    on: Stage,
    moment: 'prepare' | 'release',
    redirection: string,
  ): { status: number | null; stdout: string; stderr: string } {
    const result = spawnSync(
      'sh',
      [
        '-c',
        `exec "$0" "$@" ${redirection}`,
        installation().hook,
        win11.name,
        ...moments[moment],
        ...on.option,
      ],
      {
        cwd: '/',
        env: BARE_ENVIRONMENT,
        input: win11.xml,
        encoding: 'utf8',
        timeout: 10_000,
        killSignal: 'SIGKILL',
      },
    );
    return { status: result.status, stdout: result.stdout, stderr: result.stderr };
  }

  it('stdout or stderr closed: the same on the machine', () => {
    for (const redirection of ['>&-', '2>&-', '>&- 2>&-', '>/dev/full 2>/dev/full']) {
      const on = stage(HOST);
      const before = picture(on);
      assert.equal(redirected(on, 'prepare', redirection).status, 0, redirection);
      assert.deepEqual(drivers(on, GPU), ['vfio-pci', 'vfio-pci']);
      assert.equal(redirected(on, 'release', redirection).status, 0, redirection);
      assert.deepEqual([picture(on), claims(on)], [before, {}]);
      fault(on, { path: '*/vfio-pci/bind', effect: { kind: 'fail', errno: 'EIO' } });
      assert.equal(redirected(on, 'prepare', redirection).status, 1, redirection);
      assert.deepEqual([picture(on), claims(on)], [before, {}]);
    }
  });

  it('stdin closed: a start is refused, a release works', () => {
    const on = stage(HOST);
    const before = picture(on);
    const refused = redirected(on, 'prepare', '<&-');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /^vfio-hook: error: cannot read the domain XML: /);
    succeeds(on, win11, 'prepare');
    assert.deepEqual(redirected(on, 'release', '<&-'), { status: 0, stdout: '', stderr: '' });
    assert.deepEqual(picture(on), before);
  });

  it('a full pipe that nobody reads costs the sentence, not the roll-back, and does not hang', () => {
    const on = stage(HOST);
    const before = picture(on);
    const fifo = join(temporaryDirectory(), 'fifo');
    execFileSync('mkfifo', [fifo]);
    const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      assert.throws(() => {
        for (;;) writeSync(fd, Buffer.alloc(4096));
      }, /EAGAIN/);
      fault(on, { path: '*/vfio-pci/bind', effect: { kind: 'fail', errno: 'EIO' } });
      const result = spawnSync(installation().hook, [win11.name, ...moments.prepare, ...on.option], {
        cwd: '/',
        env: BARE_ENVIRONMENT,
        input: win11.xml,
        stdio: ['pipe', 'pipe', fd],
        timeout: 10_000,
        killSignal: 'SIGKILL',
      });
      assert.equal(result.status, 1);
    } finally {
      closeSync(fd);
    }
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('the reader of stderr is gone, as when libvirtd was restarted: everything is put back all the same', async () => {
    const on = stage(HOST);
    const before = picture(on);
    fault(on, { id: 'h', path: '*/vfio-pci/bind', effect: { kind: 'hang' } });
    configure(on, 'config.yaml', 'timeouts: { kernelWrite: 10s }\n');
    const running = begin(on, win11, 'prepare');
    await pending(on);
    running.process.stderr?.destroy();
    running.process.stdout?.destroy();
    running.process.kill('SIGTERM');
    on.machine.perform({ do: 'release-fault', id: 'h' });
    assert.equal((await running.ended).status, 1);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });
});

describe('the simulated machine', () => {
  /*
   * These calls reach for the real kernel. They run on a copy whose paths lie in a directory of its own, and
   * as a guest whose device no machine has, so that nothing of this host is looked at or changed.
   */
  const on = stage(HOST);
  const elsewhere = temporaryDirectory();
  // A start takes its lock there before it looks for the devices.
  mkdirSync(join(elsewhere, 'run'));
  const real = install({
    launcher: choose(process.execPath),
    program: (text) =>
      text.replace(/(["'`])\/(sys|proc|run|etc|var|dev|lib|usr\/lib)\/(?=[a-z$*])/g, `$1${elsewhere}/$2/`),
  });
  const guest = guestWith(GPU, { name: win11.name, uuid: win11.uuid });
  const ways: Readonly<
    Record<
      string,
      {
        readonly args?: readonly string[];
        readonly env?: Readonly<Record<string, string>>;
        readonly input?: string;
        readonly config?: string;
      }
    >
  > = {
    'the reason (libvirt’s fourth argument)': {
      args: [guest.name, 'prepare', 'begin', '--simulated-machine'],
    },
    'five arguments': { args: [guest.name, 'prepare', 'begin', '-', `--simulated-machine=${on.directory}`] },
    'the option without a directory': { args: [guest.name, 'prepare', 'begin', '-', '--simulated-machine'] },
    'the option one place too late': { args: [guest.name, 'prepare', 'begin', '-', '-', ...on.option] },
    'a seventh argument': { args: [guest.name, 'prepare', 'begin', '-', ...on.option, '-'] },
    'the environment': {
      env: {
        SIMULATED_MACHINE: on.directory,
        VFIO_HOOK_SIMULATED_MACHINE: on.directory,
        VFIO_HOOK_MACHINE: on.directory,
        npm_config_simulated_machine: on.directory,
        VFIO_HOOK_STATE_DIRECTORY: on.directory,
      },
    },
    'the XML': {
      input: guest.xml.replace(
        '<devices>',
        `<metadata><simulated-machine>${on.directory}</simulated-machine></metadata><devices>`,
      ),
    },
    'a configuration': { config: `simulated-machine: ${on.directory}\n` },
  };
  const [state, lines] = [picture(on), changes(on)];

  for (const [
    title,
    { args = [guest.name, ...moments.prepare], env = {}, input = guest.xml, config },
  ] of Object.entries(ways)) {
    it(`cannot be chosen by ${title}`, function () {
      if (process.geteuid?.() !== 0) this.skip();
      if (config !== undefined) {
        mkdirSync(join(elsewhere, 'etc/vfio-hook'), { recursive: true });
        writeFileSync(join(elsewhere, 'etc/vfio-hook/config.yaml'), config);
      }
      const ended = callHook(args, { program: real.hook, input, env: { ...BARE_ENVIRONMENT, ...env } });
      const expected =
        config === undefined
          ? /^vfio-hook: error: there is no PCI device 0000:03:00\.0 on this host\n/
          : /^vfio-hook: error: cannot use configuration .*unknown key "simulated-machine"/;
      assert.match(ended.stderr, expected);
      assert.deepEqual([ended.status, ended.stdout], [1, '']);
      assert.deepEqual([picture(on), changes(on), claims(on)], [state, lines, {}]);
      assert.deepEqual(readdirSync(on.directory), ['machine.json']);
    });
  }

  it('cannot be chosen by a guest’s name', function () {
    if (process.geteuid?.() !== 0) this.skip();
    for (const name of ['--simulated-machine', `--simulated-machine=${on.directory}`, on.directory]) {
      const named = guestWith(GPU, { name, uuid: win11.uuid });
      // The last way's configuration is still there, and it is the real one that is read.
      const ended = callHook([name, ...moments.prepare], { program: real.hook, input: named.xml });
      assert.equal(ended.status, 1);
      assert.match(ended.stderr, /unknown key "simulated-machine"/);
    }
    assert.deepEqual([picture(on), changes(on)], [state, lines]);
  });
});

describe('a guest of a user’s own session (qemu:///session)', () => {
  it('is none of our business: nothing is said, nothing is touched, the guest starts', function () {
    if (process.geteuid?.() !== 0) {
      console.warn('        skipped: only root can become another user');
      this.skip();
    }
    const { directory, hook } = installation();
    execFileSync('chmod', ['-R', 'a+rX', directory]);
    const trace = join(temporaryDirectory(), 'trace');
    const traced = spawnSync('strace', ['-V']).status === 0;
    for (const moment of Object.keys(moments) as (keyof typeof moments)[]) {
      for (const input of [guestWith(['fffe:ff:1f.7']).xml, '<broken hostdev']) {
        const args = ['vm1', ...moments[moment]];
        assert.deepEqual(callHook(args, { input, uid: 65_534 }), quiet);
        if (!traced || moment !== 'prepare') continue;
        const { status } = spawnSync(
          'strace',
          ['-f', '-qq', '-u', 'nobody', '-e', 'trace=%file', '-o', trace, hook, ...args],
          { cwd: '/', env: BARE_ENVIRONMENT, input },
        );
        if (status !== 0) continue;
        assert.doesNotMatch(
          readFileSync(trace, 'utf8'),
          /"\/(?:sys\/bus|sys\/kernel\/iommu|run\/vfio-hook\/locks|etc\/vfio-hook|var\/log\/libvirt)/,
        );
      }
    }
  });
});
