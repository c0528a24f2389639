import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { BARE_ENVIRONMENT } from '../hook/compiled.ts';
import { guest, hostdev, pci } from '../domain/documents.ts';
import { launcher, shells, type Launched } from './launched.ts';

const WITH = guest(hostdev(pci(3)), { name: 'win11' });
const WITHOUT = guest('', { name: 'win11' });
/** Nothing was said, nothing failed. */
function isQuiet(ended: Launched): void {
  assert.deepEqual([ended.status, ended.signal, ended.stdout, ended.stderr], [0, null, '', '']);
}

describe('the launcher: which calls start Node', () => {
  const it1 = launcher();
  const table: readonly (readonly [call: readonly string[], withDevices: boolean, without: boolean])[] = [
    [['prepare', 'begin', '-'], true, false],
    [['start', 'begin', '-'], false, false],
    [['started', 'begin', '-'], false, false],
    [['stopped', 'end', '-'], false, false],
    [['release', 'end', 'shutdown'], false, false],
    [['release', 'end', 'from snapshot'], false, false],
    [['release', 'end', '-'], false, false],
    [['reconnect', 'begin', '-'], false, false],
    [['migrate', 'begin', '-'], false, false],
    [['restore', 'begin', '-'], false, false],
    [['attach', 'begin', '-'], false, false],
    [['prepare', 'end', '-'], false, false],
    [['prepare', '-', '-'], false, false],
    [['release', 'begin', '-'], false, false],
    [['begin', 'prepare', '-'], false, false],
    [['PREPARE', 'begin', '-'], false, false],
    [['prepare/begin', '', '-'], false, false],
    [['prepare*', 'begin', '-'], false, false],
    [['*', '*', '*'], false, false],
    [['', '', ''], false, false],
    [['nonsense', '$(id)', '`id`'], false, false],
    [['a later libvirt', 'knows more', 'than this'], false, false],
  ];
  for (const [call, withDevices, without] of table) {
    it(`${JSON.stringify(call.join(' '))}: ${withDevices ? 'Node, when a host device is assigned' : 'never'}`, () => {
      for (const [input, wanted] of [
        [WITH, withDevices],
        [WITHOUT, without],
      ] as const) {
        const ended = it1.call(['win11', ...call], { input });
        isQuiet(ended);
        assert.equal(ended.node !== undefined, wanted, input);
      }
    });
  }

  it('other numbers of arguments are left to Node, which knows that libvirt gives four', () => {
    for (const args of [
      [],
      ['win11'],
      ['win11', 'prepare', 'begin'],
      ['win11', 'prepare', 'begin', '-', '--simulated-machine', '/x'],
    ]) {
      const { node } = it1.call(args, { input: WITHOUT });
      assert.deepEqual(node?.args, [it1.program, it1.hook, ...args]);
      assert.equal(node.stdin.toString(), WITHOUT);
    }
  });

  it('under the name vfio-hook it is the command, with any arguments', () => {
    for (const args of [
      [],
      ['--help'],
      ['win11', 'started', 'begin', '-'],
      ['win11', 'prepare', 'begin', '-'],
    ]) {
      const { node } = it1.call(args, { program: it1.command, input: WITHOUT });
      assert.deepEqual(node?.args, [it1.program, it1.command, ...args]);
      assert.equal(node.stdin.toString(), WITHOUT);
    }
  });

  it('a name that only ends like vfio-hook is the hook', () => {
    const link = join(it1.hook, '../not-vfio-hook');
    symlinkSync(it1.command, link);
    const ended = it1.call(['win11', 'started', 'begin', '-'], { program: link });
    isQuiet(ended);
    assert.equal(ended.node, undefined);
  });
});

describe('the launcher: claims', () => {
  const it1 = launcher();
  const claimed = (name: string, ended: () => Launched): Launched => {
    mkdirSync(it1.claims, { recursive: true });
    writeFileSync(join(it1.claims, name), '');
    try {
      return ended();
    } finally {
      rmSync(it1.claims, { recursive: true });
    }
  };

  it('with any claim on the host, a release is for Node', () => {
    const { node } = claimed('82eef905-a0c9-4093-ab06-790e7ebe014c.json', () =>
      it1.call(['win11', 'release', 'end', 'shutdown']),
    );
    assert.deepEqual(node?.args, [it1.program, it1.hook, 'win11', 'release', 'end', 'shutdown']);
  });

  it('with any claim on the host, the start of a guest without host devices is for Node', () => {
    const { node } = claimed('x.json', () =>
      it1.call(['win11', 'prepare', 'begin', '-'], { input: WITHOUT }),
    );
    assert.equal(node?.stdin.toString().trim(), WITHOUT);
  });

  it('with any claim on the host, the other moments still need nothing', () => {
    for (const moment of ['start', 'started', 'reconnect', 'migrate', 'restore', 'attach']) {
      assert.equal(claimed('x.json', () => it1.call(['win11', moment, 'begin', '-'])).node, undefined);
    }
  });

  it('an unfinished replacement and an empty directory are no claim', () => {
    isQuiet(claimed('.x.json.new', () => it1.call(['win11', 'release', 'end', '-'])));
    mkdirSync(it1.claims);
    assert.equal(it1.call(['win11', 'release', 'end', '-']).node, undefined);
    rmSync(it1.claims, { recursive: true });
  });
});

describe('the launcher: files of guests', () => {
  const it1 = launcher();
  const broken = launcher({ chosen: false });
  const configured = (on: typeof it1, ended: () => Launched): Launched => {
    mkdirSync(on.domains, { recursive: true });
    writeFileSync(join(on.domains, 'other.yaml'), '');
    return ended();
  };

  it('with any, the start of a guest without host devices is for Node', () => {
    const { node } = configured(it1, () => it1.call(['win11', 'prepare', 'begin', '-'], { input: WITHOUT }));
    assert.equal(node?.stdin.toString().trim(), WITHOUT);
  });

  it('with any, other moments still need nothing', () => {
    for (const moment of ['start', 'started', 'reconnect'])
      assert.equal(configured(it1, () => it1.call(['win11', moment, 'begin', '-'])).node, undefined);
    assert.equal(configured(it1, () => it1.call(['win11', 'release', 'end', '-'])).node, undefined);
  });

  it('without Node such a guest starts all the same', () => {
    isQuiet(configured(broken, () => broken.call(['win11', 'prepare', 'begin', '-'], { input: WITHOUT })));
  });
});

describe('the launcher: scripts of guests', () => {
  const it1 = launcher({ alone: true });
  const other = launcher();
  const broken = launcher({ alone: true, chosen: false });
  const calls = [
    ['prepare', 'begin'],
    ['start', 'begin'],
    ['started', 'begin'],
    ['stopped', 'end'],
    ['release', 'end'],
    ['reconnect', 'begin'],
    ['migrate', 'begin'],
    ['restore', 'begin'],
  ] as const;
  const scripted = (on: typeof it1, place: string, ended: () => Launched): Launched => {
    const directory = join(`${on.hook}.d`, place);
    mkdirSync(directory, { recursive: true });
    try {
      return ended();
    } finally {
      rmSync(`${on.hook}.d`, { recursive: true });
    }
  };
  const call = (on: typeof it1, name: string, [operation, sub]: readonly [string, string]): Launched =>
    on.call([name, operation, sub, '-'], { input: WITHOUT });

  it('with a place for them, each moment is for Node, which gets the XML', () => {
    for (const moment of calls) {
      const { node } = scripted(it1, `win11/${moment.join('/')}`, () => call(it1, 'win11', moment));
      assert.equal(node?.stdin.toString().trim(), WITHOUT, moment.join('/'));
    }
  });

  it('another moment, another guest and a guest whose name leads elsewhere still need nothing', () => {
    isQuiet(scripted(it1, 'win11/prepare/begin', () => call(it1, 'win11', ['start', 'begin'])));
    isQuiet(scripted(it1, 'win11/start/begin', () => call(it1, 'win10', ['start', 'begin'])));
    isQuiet(scripted(it1, 'start/begin', () => call(it1, '.', ['start', 'begin'])));
    isQuiet(scripted(it1, 'a/b/start/begin', () => call(it1, 'a/b', ['start', 'begin'])));
  });

  it('beside an earlier hook that was kept, and as one of several hooks, they are not ours', () => {
    const moment = ['start', 'begin'] as const;
    isQuiet(
      scripted(it1, 'win11/start/begin', () => {
        writeFileSync(`${it1.hook}.d/00-kept-by-vfio-hook`, '');
        return call(it1, 'win11', moment);
      }),
    );
    isQuiet(scripted(other, 'win11/start/begin', () => call(other, 'win11', moment)));
  });

  it('without Node the start of such a guest is refused: it would start without them', function () {
    if (process.geteuid?.() !== 0) this.skip();
    const { status, stderr } = scripted(broken, 'win11/prepare/begin', () =>
      call(broken, 'win11', ['prepare', 'begin']),
    );
    assert.equal(status, 1);
    assert.match(stderr, /cannot start guest "win11", which has scripts: there is no Node/);
  });
});

describe('the launcher: functions that libvirt has chosen', () => {
  const it1 = launcher();
  const start = (xml: string): Launched => it1.call(['win11', 'start', 'begin', '-'], { input: xml });
  const source = `<source><address type='pci' ${pci(3)}/></source>`;
  const chosen = guest(`<interface type='hostdev' managed='yes'>${source}</interface>`, { name: 'win11' });
  const actual = guest(
    `<interface type='network'><source network='pool'/><actual type='hostdev' managed='yes'>${source}</actual></interface>`,
    { name: 'win11' },
  );

  it('are for Node where the host has any, with all of the XML', () => {
    for (const xml of [chosen, actual]) assert.equal(start(xml).node, undefined);
    mkdirSync(join(it1.devices, '0000:03:00.0'), { recursive: true });
    for (const xml of [chosen, actual]) assert.equal(start(xml).node, undefined);
    symlinkSync('..', join(it1.devices, '0000:03:00.0/physfn'));
    for (const xml of [chosen, actual]) assert.equal(start(xml).node?.stdin.toString().trim(), xml);
    for (const xml of [WITH, WITHOUT]) isQuiet(start(xml));
    for (const xml of [WITH, WITHOUT]) assert.equal(start(xml).node, undefined);
    // What could hide one, or is cut off.
    for (const xml of [`<!DOCTYPE x>${WITHOUT}`, WITHOUT.slice(0, -9)]) assert.ok(start(xml).node);
  });
});

describe('the launcher: names', () => {
  const it1 = launcher();
  const names: readonly string[] = [
    '--help',
    '--version',
    '-rf',
    '-e',
    '-',
    '--',
    '..',
    '.hidden',
    '../../etc/passwd',
    'a b',
    '   ',
    '',
    'two\nlines',
    "quote'quote",
    'quote"quote',
    '$(touch PWNED)',
    '`touch PWNED`',
    ';touch PWNED',
    '|touch PWNED',
    '$HOME ${PATH} *',
    '\\n \\0 %s %d',
    'XML',
    'Gäste ü 客人',
    '\u001b[2J\u001b]0;x\u0007',
    'n'.repeat(300),
  ];
  for (const shell of shells) {
    it(`${shell.join(' ')}: each reaches Node as it is, and none is executed`, () => {
      const before = readdirSync(join(it1.hook, '..'));
      for (const name of names) {
        const { node, stderr } = it1.call([name, 'prepare', 'begin', '-'], { input: WITH, shell });
        assert.deepEqual(node?.args.slice(2), [name, 'prepare', 'begin', '-'], JSON.stringify(name));
        assert.equal(stderr, '');
      }
      assert.deepEqual(readdirSync(join(it1.hook, '..')), before);
      assert.equal(existsSync('/PWNED'), false);
    }).timeout(10_000);
  }

  it('hostile operations and reasons are not executed either', () => {
    const extra = '$(touch PWNED)`touch PWNED`;touch PWNED';
    isQuiet(it1.call([extra, extra, extra, extra]));
    const { node } = it1.call(['x', 'prepare', 'begin', extra], { input: WITH });
    assert.equal(node?.args.at(-1), extra);
    assert.equal(existsSync('/PWNED'), false);
  });
});

describe('the launcher: the XML on its way to Node', () => {
  const it1 = launcher();
  const inside = (text: Buffer): Buffer =>
    Buffer.concat([Buffer.from('<domain><hostdev/>'), text, Buffer.from('</domain>')]);
  const bytes = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1));
  const documents: Readonly<Record<string, Buffer>> = {
    'every byte but NUL': inside(bytes),
    'every pair that dash marks its own text with': inside(
      Buffer.from(
        Array.from({ length: 0x90 - 0x80 }, (_, index) => [
          0x80 + index,
          0x41,
          0x80 + index,
          0x80 + index,
        ]).flat(),
      ),
    ),
    'everything that a here-document would expand': inside(
      Buffer.from('$x ${PATH} $(id) `id` \\ \\$ \\\\ "\' $((1+1)) ~ *\nXML\nXML \n'),
    ),
    'blank lines before and inside': Buffer.from('\n\n\t<domain>\n\n<hostdev/>\r\n\n</domain>'),
    '200 KB': inside(Buffer.from(`<!-- ${'ä客 '.repeat(28_000)} -->`)),
    'no text that sh could judge': Buffer.from('hello'),
  };
  for (const shell of shells) {
    for (const [title, sent] of Object.entries(documents)) {
      it(`${shell.join(' ')}: ${title} arrives unchanged, but for the line ends at its end`, () => {
        const { node, stderr } = it1.call(['x', 'prepare', 'begin', '-'], {
          input: Buffer.concat([sent, Buffer.from('\n\n')]),
          shell,
        });
        assert.ok(node);
        assert.equal(stderr, '');
        assert.deepEqual(node.stdin, Buffer.concat([sent, Buffer.from('\n')]));
      });
    }
  }

  it('nothing on stdin, and a closed stdin, are left to Node to refuse', () => {
    assert.equal(it1.call(['x', 'prepare', 'begin', '-']).node?.stdin.length, 0);
    const closed = spawnSync('sh', ['-c', 'exec "$0" x prepare begin - <&-', it1.hook], {
      env: BARE_ENVIRONMENT,
      encoding: 'utf8',
    });
    assert.deepEqual([closed.status, closed.stdout], [0, '']);
    assert.match(readFileSync(join(it1.absentNode, '../notes/args'), 'utf8'), /prepare/);
  });

  it('of more than 16 MiB Node sees one byte too many, and the rest is not read', () => {
    const { node } = it1.call(['x', 'prepare', 'begin', '-'], { input: Buffer.alloc(17 * 2 ** 20, 'x') });
    assert.ok(node && node.stdin.length > 16 * 2 ** 20);
    assert.ok(node.stdin.length < 16 * 2 ** 20 + 10);
  });

  for (const shell of shells) {
    it(`${shell.join(' ')}: no file is written for it, however large it is: a disk may be full`, () => {
      const counting = launcher();
      writeFileSync(counting.node, '#!/bin/sh\nwc -c\n');
      // A shell that writes a file all the same is killed by SIGXFSZ.
      const { status, stdout, stderr } = spawnSync(
        'sh',
        ['-c', 'ulimit -f 0; exec "$@"', 'sh', ...shell, counting.hook, 'x', 'prepare', 'begin', '-'],
        { env: BARE_ENVIRONMENT, cwd: '/', input: inside(Buffer.alloc(2 ** 20, 'x')), encoding: 'utf8' },
      );
      assert.deepEqual([status, stderr], [0, '']);
      assert.equal(Number(stdout), inside(Buffer.alloc(2 ** 20)).length + 1);
    });

    it(`${shell.join(' ')}: Node is the process that libvirt started, and its status is the hook’s`, () => {
      const telling = launcher();
      writeFileSync(telling.node, '#!/bin/sh\necho $$\nexit 42\n');
      for (const size of [10, 2 ** 20]) {
        const { pid, status, stdout, stderr } = spawnSync(
          shell[0],
          [...shell.slice(1), telling.hook, 'x', 'prepare', 'begin', '-'],
          { env: BARE_ENVIRONMENT, cwd: '/', input: inside(Buffer.alloc(size, 'x')), encoding: 'utf8' },
        );
        // Whoever feeds it ends when nobody reads, in silence: the call has ended, so all ends of stdout are closed.
        assert.deepEqual([status, Number(stdout), stderr], [42, pid, '']);
      }
    });
  }

  it('calls that need nothing do not wait for stdin', async () => {
    for (const args of [
      ['x', 'started', 'begin', '-'],
      ['x', 'release', 'end', '-'],
    ]) {
      const child = spawn(it1.hook, args, {
        cwd: '/',
        env: BARE_ENVIRONMENT,
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      // stdin stays open until the end.
      const [status] = (await once(child, 'exit')) as [number | null];
      child.stdin.destroy();
      assert.equal(status, 0);
    }
  });
});

describe('the launcher: where Node is', () => {
  it('the chosen one comes first', () => {
    assert.ok(
      launcher({ chosen: true, listed: true }).call(['x', 'prepare', 'begin', '-'], { input: WITH }).node,
    );
  });

  it('without a chosen one, and with one that is gone, the fixed places are looked at in turn', () => {
    assert.ok(
      launcher({ chosen: false, listed: true }).call(['x', 'prepare', 'begin', '-'], { input: WITH }).node,
    );
    const it1 = launcher({ chosen: true, listed: true });
    rmSync(it1.node);
    assert.ok(it1.call(['x', 'prepare', 'begin', '-'], { input: WITH }).node);
  });

  it('a file that cannot be executed is passed over', () => {
    const it1 = launcher({ chosen: true, listed: true });
    chmodSync(it1.node, 0o644);
    assert.ok(it1.call(['x', 'prepare', 'begin', '-'], { input: WITH }).node);
  });
});

describe('the launcher without Node', () => {
  const it1 = launcher({ chosen: false });
  const refusal = (name: string): string =>
    `vfio-hook: error: cannot start guest "${name}", which may be assigned host devices: there is no Node.js on this host\n` +
    'vfio-hook: hint: install it (apt install nodejs) or run install.sh again with NODE=/path/to/node\n';

  /** Only root's guests are refused: see the last but one. */
  function needsRoot(context: Mocha.Context): void {
    if (process.geteuid?.() === 0) return;
    console.warn('        skipped: needs root');
    context.skip();
  }

  it('refuses the start of a guest that may be assigned host devices', function () {
    needsRoot(this);
    for (const input of [WITH, '', 'garbage', WITH.slice(0, 100)]) {
      const ended = it1.call(['win11', 'prepare', 'begin', '-'], { input });
      assert.deepEqual([ended.status, ended.stdout, ended.stderr], [1, '', refusal('win11')]);
    }
  });

  it('passes every other call', () => {
    isQuiet(it1.call(['win11', 'prepare', 'begin', '-'], { input: WITHOUT }));
    for (const [operation, sub] of [
      ['start', 'begin'],
      ['started', 'begin'],
      ['stopped', 'end'],
      ['release', 'end'],
      ['reconnect', 'begin'],
      ['migrate', 'begin'],
      ['restore', 'begin'],
      ['attach', 'begin'],
      ['unknown', 'x'],
    ] as const) {
      isQuiet(it1.call(['win11', operation, sub, '-'], { input: WITH }));
    }
  });

  it('passes a release although a claim is there: it could not be served, and libvirt would not listen', () => {
    mkdirSync(it1.claims);
    writeFileSync(join(it1.claims, 'x.json'), '');
    isQuiet(it1.call(['win11', 'release', 'end', 'shutdown']));
    rmSync(it1.claims, { recursive: true });
  });

  it('shows a hostile name without anything that drives a terminal', function () {
    needsRoot(this);
    const shown: readonly (readonly [string, string])[] = [
      ['\u001b[2J', '??2J'],
      ['a"b\nc', 'a?b?c'],
      ['$(id)', '??id?'],
      ['ü', '??'],
      ['%s%n', '?s?n'],
      ['-n', '-n'],
    ];
    for (const [name, text] of shown) {
      assert.equal(it1.call([name, 'prepare', 'begin', '-'], { input: WITH }).stderr, refusal(text), name);
    }
  });

  it('lets guests of a user’s own session start: they have no host devices to give', function () {
    needsRoot(this);
    isQuiet(it1.call(['win11', 'prepare', 'begin', '-'], { input: WITH, uid: 65_534 }));
  });

  it('says so to whoever calls the command', () => {
    const ended = it1.call(['status'], { program: it1.command });
    assert.equal(ended.status, 1);
    assert.equal(
      ended.stderr,
      'vfio-hook: error: cannot run: there is no Node.js on this host\n' +
        'vfio-hook: hint: install it (apt install nodejs) or run install.sh again with NODE=/path/to/node\n',
    );
  });
});
