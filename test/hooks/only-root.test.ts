import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { openingFor } from '../../src/host/only-root.ts';
import type { Host } from '../../src/host/host.ts';
import { guest, hostdev, pci } from '../domain/documents.ts';
import { directoryOfPrograms, repository } from '../hook/compiled.ts';
import { launcher, shells, type Shell } from './launched.ts';

const WITH = guest(hostdev(pci(3)), { name: 'win11' });
const NOBODY = 65_534;

/** Only root can make files of root, and only what root runs is judged. */
function needsRoot(context: Mocha.Context): void {
  if (process.geteuid?.() === 0) return;
  console.warn('        skipped: needs root');
  context.skip();
}

/** What the rule says of a path: undefined when only root can replace what is there. */
function judge(
  path: string,
  shell: Shell = ['sh'],
  rule = join(repository, 'hooks/only-root.sh'),
): string | undefined {
  const script = '. "$1"; if only_root_can_replace "$2"; then echo fine; else printf "not: %s" "$fault"; fi';
  const [program, ...args] = shell;
  const { stdout, stderr } = spawnSync(program, [...args, '-c', script, 'sh', rule, path], {
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  return stdout === 'fine\n' ? undefined : stdout.replace(/^not: /, '');
}

interface Case {
  readonly title: string;
  /** Changes a tree that is well: a/b/node, which is reached as link → a/b → node. */
  readonly spoil: (at: (path: string) => string) => void;
  /** What is named; absent: only root can replace it all the same. */
  readonly fault?: (at: (path: string) => string) => string;
}

const cases: readonly Case[] = [
  { title: 'everything is root’s', spoil: () => undefined },
  {
    title: 'the program is another user’s',
    spoil: (at) => {
      lchownSync(at('a/b/node'), NOBODY, 0);
    },
    fault: (at) => `${at('a/b/node')} belongs to uid ${NOBODY}`,
  },
  {
    title: 'its group may write to the program, which is a group of root, too',
    spoil: (at) => {
      chmodSync(at('a/b/node'), 0o775);
    },
    fault: (at) => `others than root may write to ${at('a/b/node')} (-rwxrwxr-x)`,
  },
  {
    title: 'everybody may write to the last directory',
    spoil: (at) => {
      chmodSync(at('a/b'), 0o757);
    },
    fault: (at) => `others than root may write to ${at('a/b')} (drwxr-xrwx)`,
  },
  {
    title: 'a directory further up is another user’s, and closed to all others',
    spoil: (at) => {
      chmodSync(at('a'), 0o700);
      lchownSync(at('a'), NOBODY, NOBODY);
    },
    fault: (at) => `${at('a')} belongs to uid ${NOBODY}`,
  },
  {
    title: 'a directory further up is everybody’s with a sticky bit, as /tmp is',
    spoil: (at) => {
      chmodSync(at('a'), 0o1777);
    },
    fault: (at) => `others than root may write to ${at('a')} (drwxrwxrwt)`,
  },
  {
    title: 'a link on the way is another user’s',
    spoil: (at) => {
      lchownSync(at('link'), NOBODY, NOBODY);
    },
    fault: (at) => `${at('link')} belongs to uid ${NOBODY}`,
  },
  {
    title: 'a link on the way lies where everybody may write',
    spoil: (at) => {
      mkdirSync(at('open'));
      chmodSync(at('open'), 0o777);
      symlinkSync('../a/b', at('open/b'));
      rmSync(at('link'));
      symlinkSync('open/b', at('link'));
    },
    fault: (at) => `others than root may write to ${at('open')} (drwxrwxrwx)`,
  },
  {
    title: 'links to links, with dots, and absolute ones',
    spoil: (at) => {
      symlinkSync('.././a//b/../b/node', at('a/third'));
      symlinkSync(at('a/third'), at('second'));
      rmSync(at('link'));
      mkdirSync(at('link'));
      symlinkSync('../second', at('link/node'));
    },
  },
  {
    title: 'a link that leads round',
    spoil: (at) => {
      rmSync(at('link'));
      symlinkSync('link', at('link'));
    },
    fault: (at) => `${at('link')} leads nowhere`,
  },
  {
    title: 'nothing is there',
    spoil: (at) => {
      rmSync(at('a/b/node'));
    },
    fault: (at) => `${at('a/b/node')} cannot be looked at`,
  },
];

describe('the rule for what root runs: only root can replace it', () => {
  for (const shell of [['sh'] as const, ...shells]) {
    for (const { title, spoil, fault } of cases) {
      it(`${shell.join(' ')}: ${title}`, function () {
        needsRoot(this);
        const directory = directoryOfPrograms();
        chmodSync(directory, 0o755);
        const at = (path: string): string => join(directory, path);
        mkdirSync(at('a/b'), { recursive: true });
        writeFileSync(at('a/b/node'), '', { mode: 0o755 });
        symlinkSync('a/b', at('link'));
        spoil(at);
        assert.equal(judge(at('link/node'), shell), fault?.(at));
      });
    }
  }

  it('/tmp is no place for it, whosever the file is', function () {
    needsRoot(this);
    const file = join(mkdtempSync('/tmp/vfio-hook-'), 'x');
    writeFileSync(file, '', { mode: 0o755 });
    assert.match(judge(`/tmp/..${file}`) ?? '', /others than root may write to \/tmp /);
    rmSync(dirname(file), { recursive: true });
  });
});

describe('a store', () => {
  const store = { '/': 0o755, '/nix': 0o755, '/nix/store': 0o1775, '/nix/store/node': 0o755 };

  /** The first component that breaks the rule, on a host where only these paths are. */
  function broken(modes: Readonly<Record<string, number>>, trusted: string): string | undefined {
    const host = {
      status: (path: string) => {
        const mode = modes[path];
        return mode === undefined ? undefined : ({ kind: 'directory', mode, uid: 0, gid: 0 } as const);
      },
      readLink: () => undefined,
    };
    return openingFor(host as unknown as Host, '/nix/store/node', { uid: 0, store: trusted })?.path;
  }

  it('is trusted with its sticky bit, and nothing else is with one', () => {
    assert.equal(broken(store, '/nix/store'), undefined);
    assert.equal(broken(store, ''), '/nix/store');
    assert.equal(broken({ ...store, '/nix/store': 0o775 }, '/nix/store'), '/nix/store');
    assert.equal(broken({ ...store, '/nix/store': 0o1777 }, '/nix/store'), '/nix/store');
    assert.equal(broken({ ...store, '/nix': 0o1775 }, '/nix/store'), '/nix');
  });

  it('is the same for the launcher', function () {
    needsRoot(this);
    const top = directoryOfPrograms();
    const [place, file] = [join(top, 'store'), join(top, 'store/node')];
    mkdirSync(place);
    writeFileSync(file, '', { mode: 0o755 });
    const rule = join(top, 'only-root.sh');
    const text = readFileSync(join(repository, 'hooks/only-root.sh'), 'utf8');
    writeFileSync(rule, text.replace('@STORE@', place));
    for (const [mode, good] of [
      [0o1775, true],
      [0o775, false],
      [0o1777, false],
    ] as const) {
      chmodSync(place, mode);
      assert.equal(judge(file, ['sh'], rule) === undefined, good, mode.toString(8));
      assert.match(judge(file) ?? '', /others than root may write to \S+\/store /);
    }
  });
});

describe('the launcher takes no Node that somebody else can replace', () => {
  const call = ['win11', 'prepare', 'begin', '-'];

  it('a chosen one that is not root’s alone any more is passed over for one of the fixed places', function () {
    needsRoot(this);
    const it1 = launcher({ chosen: true, listed: true });
    const marked = 'echo listed >&2\n';
    writeFileSync(it1.listedNode, `#!/bin/sh\n${marked}`);
    chmodSync(it1.node, 0o777);
    assert.match(it1.call(call, { input: WITH }).stderr, /^listed\n$/);
  });

  it('without another one the start is refused, and the sentence names what is open', function () {
    needsRoot(this);
    const it1 = launcher();
    const directory = join(it1.node, '..');
    chmodSync(directory, 0o777);
    const refused = it1.call(call, { input: WITH });
    assert.deepEqual([refused.status, refused.stdout, refused.node], [1, '', undefined]);
    assert.equal(
      refused.stderr,
      'vfio-hook: error: cannot start guest "win11", which may be assigned host devices: ' +
        `somebody else than root can replace ${it1.node}: others than root may write to ${directory} (drwxrwxrwx)\n` +
        'vfio-hook: hint: install one from a package of the distribution (apt install nodejs), and run install.sh again\n',
    );
    assert.equal(it1.call(['status'], { program: it1.command }).status, 1);
    assert.equal(it1.call(['win11', 'started', 'begin', '-'], { input: WITH }).status, 0);
  });

  it('for a user who is not root it is that user’s own business', function () {
    needsRoot(this);
    const it1 = launcher();
    chmodSync(join(it1.node, '..'), 0o777);
    assert.ok(it1.call(['simulate'], { program: it1.command, uid: NOBODY }).node);
  });
});
