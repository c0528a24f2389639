import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { hintText } from '../../src/hint.ts';
import { VfioHookError } from '../../src/errors.ts';
import {
  listTrustedDirectory,
  MOST_BYTES,
  readTrustedFile,
  type TrustedTree,
} from '../../src/engine/trusted-file.ts';

const me = process.getuid?.() ?? 0;
let directory = '';
let root = '';
let tree: TrustedTree;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
  root = join(directory, 'etc');
  mkdirSync(join(root, 'domains'), { recursive: true });
  for (const path of [root, join(root, 'domains')]) chmodSync(path, 0o755);
  file('domains/a.yaml', 'hello');
  tree = { root, trustedUid: me, code: 'VH_CONFIG', what: 'configuration' };
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function file(path: string, text: string | Buffer, mode = 0o644): void {
  writeFileSync(join(root, path), text);
  chmodSync(join(root, path), mode);
}

/** The message and the hints, with the temporary root as `/etc`. */
function refusal(action: () => unknown): string[] {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof VfioHookError, String(error));
    assert.equal(error.code, tree.code);
    return [error.message, ...error.hints.map(hintText)].map((line) => line.replaceAll(root, '/etc'));
  }
  assert.fail('nothing was refused');
}

const read = (path = 'domains/a.yaml'): string | undefined => readTrustedFile(tree, path);

describe('readTrustedFile', () => {
  it('returns the text of a file', () => {
    assert.equal(read(), 'hello');
  });

  it('returns undefined where there is nothing: no file, no directory, no root', () => {
    assert.equal(read('domains/b.yaml'), undefined);
    assert.equal(read('other/b.yaml'), undefined);
    assert.equal(read('domains/a.yaml/b'), undefined);
    assert.equal(readTrustedFile({ ...tree, root: join(directory, 'none') }, 'a'), undefined);
  });

  it('carries the code and the name of what it reads', () => {
    chmodSync(join(root, 'domains/a.yaml'), 0o666);
    tree = { ...tree, code: 'VH_CLAIM', what: 'claim' };
    assert.deepEqual(refusal(read), [
      'cannot trust claim /etc/domains/a.yaml: everybody may write to it (mode 0666)',
      'chmod go-w /etc/domains/a.yaml',
    ]);
  });

  describe('modes of the file', () => {
    for (const mode of [0o400, 0o440, 0o444, 0o600, 0o640, 0o644, 0o700, 0o755, 0o4755]) {
      it(`reads 0${mode.toString(8)}`, () => {
        chmodSync(join(root, 'domains/a.yaml'), mode);
        assert.equal(read(), 'hello');
      });
    }
    for (const mode of [0o620, 0o660, 0o664, 0o775, 0o602, 0o646, 0o666, 0o777, 0o1666, 0o2660]) {
      it(`refuses 0${mode.toString(8)}`, () => {
        chmodSync(join(root, 'domains/a.yaml'), mode);
        const who = (mode & 2) !== 0 ? 'everybody' : 'its group';
        const shown = mode.toString(8).padStart(4, '0');
        assert.deepEqual(refusal(read), [
          `cannot trust configuration /etc/domains/a.yaml: ${who} may write to it (mode ${shown})`,
          'chmod go-w /etc/domains/a.yaml',
        ]);
      });
    }
  });

  describe('modes of the directories on the way', () => {
    for (const mode of [0o700, 0o750, 0o755, 0o711, 0o2755]) {
      it(`goes through 0${mode.toString(8)}`, () => {
        for (const path of [root, join(root, 'domains')]) chmodSync(path, mode);
        assert.equal(read(), 'hello');
      });
    }
    for (const mode of [0o775, 0o757, 0o777, 0o1777, 0o770]) {
      for (const path of ['', '/domains']) {
        it(`refuses 0${mode.toString(8)} of /etc${path}`, () => {
          chmodSync(root + path, mode);
          const [message, hint] = refusal(read);
          assert.match(
            message!,
            new RegExp(`^cannot trust configuration /etc${path}: (its group|everybody) may write`),
          );
          assert.equal(hint, `chmod go-w /etc${path}`);
          assert.throws(() => listTrustedDirectory(tree, 'domains'), VfioHookError);
        });
      }
    }
  });

  describe('owners', () => {
    it('refuses everything when another user is the trusted one', () => {
      tree = { ...tree, trustedUid: me + 1 };
      assert.deepEqual(refusal(read), [
        `cannot trust configuration /etc: it belongs to uid ${me}, not to uid ${me + 1}`,
        `chown ${me + 1} /etc`,
      ]);
    });

    for (const path of ['', '/domains', '/domains/a.yaml', '/domains/link.yaml']) {
      it(`refuses /etc${path} of another user (needs root)`, function () {
        if (me !== 0) this.skip();
        symlinkSync('a.yaml', join(root, 'domains/link.yaml'));
        lchownSync(root + path, 12345, 0);
        const command = path.endsWith('link.yaml') ? 'chown -h' : 'chown';
        assert.deepEqual(
          refusal(() => read('domains/link.yaml')),
          [
            `cannot trust configuration /etc${path}: it belongs to uid 12345, not to root`,
            `${command} root /etc${path}`,
          ],
        );
      });
    }

    it('does not care about the group', function () {
      if (me !== 0) this.skip();
      lchownSync(join(root, 'domains/a.yaml'), 0, 12345);
      assert.equal(read(), 'hello');
    });
  });

  describe('links', () => {
    const inside: [sentence: string, links: Record<string, string>][] = [
      ['to a neighbour', { 'domains/l': 'a.yaml' }],
      ['to a neighbour by a detour', { 'domains/l': '.././domains//a.yaml' }],
      ['by absolute path', { 'domains/l': '@/domains/a.yaml' }],
      ['by absolute path with a detour below the root', { 'domains/l': '@/domains/../domains/a.yaml' }],
      ['over other links', { 'domains/l': 'm', 'domains/m': '../n', n: '@/domains/a.yaml' }],
      ['over a linked directory', { 'domains/l': '../other/a.yaml', other: 'domains' }],
      ['out of a linked directory and back', { 'domains/l': '../other/../domains/a.yaml', other: 'domains' }],
    ];
    for (const [sentence, links] of inside) {
      it(`follows one ${sentence}`, () => {
        for (const [path, target] of Object.entries(links))
          symlinkSync(target.replace('@', root), join(root, path));
        assert.equal(read('domains/l'), 'hello');
      });
    }

    const leaves = 'it is a link that leads outside of /etc';
    const refused: [sentence: string, links: Record<string, string>, why: string][] = [
      ['leads outside by absolute path', { 'domains/l': '@/../secret' }, leaves],
      ['leads to another place altogether', { 'domains/l': '/proc/self/environ' }, leaves],
      ['leads outside by relative path', { 'domains/l': '../../secret' }, leaves],
      ['leads outside and back', { 'domains/l': '../../etc/domains/a.yaml' }, leaves],
      ['leads outside over another link', { 'domains/l': 'm', 'domains/m': '../../secret' }, leaves],
      ['leads outside over a linked directory', { 'domains/l': '../out/secret', out: '@/..' }, leaves],
      ['leads to a place whose name only begins like the root', { 'domains/l': '@-other/secret' }, leaves],
      ['leads to nothing', { 'domains/l': 'none.yaml' }, 'it is a link that leads to nothing'],
      ['leads below a file', { 'domains/l': 'a.yaml/x' }, 'it is a link that leads to nothing'],
      ['leads to itself', { 'domains/l': 'l' }, 'it leads over more than 8 links'],
      ['leads to a directory', { 'domains/l': '.' }, 'it is a directory'],
    ];
    for (const [sentence, links, why] of refused) {
      it(`refuses one that ${sentence}`, () => {
        writeFileSync(join(directory, 'secret'), 'secret');
        mkdirSync(`${root}-other`);
        writeFileSync(`${root}-other/secret`, 'secret');
        for (const [path, target] of Object.entries(links))
          symlinkSync(target.replace('@', root), join(root, path));
        const [message] = refusal(() => read('domains/l'));
        assert.ok(message!.endsWith(`: ${why}`), message);
      });
    }

    it('checks the target as if it had been asked for', () => {
      symlinkSync('a.yaml', join(root, 'domains/l'));
      chmodSync(join(root, 'domains/a.yaml'), 0o664);
      assert.match(refusal(() => read('domains/l'))[0]!, /\/etc\/domains\/a\.yaml: its group may write/);
    });

    it('checks the directories of the target', () => {
      mkdirSync(join(root, 'open'));
      file('open/b.yaml', 'b');
      chmodSync(join(root, 'open'), 0o777);
      symlinkSync('../open/b.yaml', join(root, 'domains/l'));
      assert.match(refusal(() => read('domains/l'))[0]!, /\/etc\/open: everybody may write/);
    });

    it('refuses a root that is a link', () => {
      symlinkSync('etc', join(directory, 'link'));
      tree = { ...tree, root: join(directory, 'link') };
      assert.match(refusal(read)[0]!, /link: it is no directory$/);
    });

    it('reads a file with two names', () => {
      linkSync(join(root, 'domains/a.yaml'), join(root, 'domains/second.yaml'));
      assert.equal(read('domains/second.yaml'), 'hello');
    });
  });

  describe('what is no file of text', () => {
    it('refuses a directory', () => {
      assert.deepEqual(
        refusal(() => read('domains')),
        ['cannot trust configuration /etc/domains: it is a directory'],
      );
    });

    it('refuses a pipe without waiting for a writer', () => {
      execFileSync('mkfifo', [join(root, 'domains/pipe')]);
      assert.match(refusal(() => read('domains/pipe'))[0]!, /it is no regular file$/);
    });

    it('refuses a device', function () {
      if (me !== 0) this.skip();
      try {
        execFileSync('mknod', [join(root, 'domains/null'), 'c', '1', '3'], { stdio: 'ignore' });
      } catch {
        this.skip();
      }
      chmodSync(join(root, 'domains/null'), 0o644);
      assert.match(refusal(() => read('domains/null'))[0]!, /it is no regular file$/);
    });

    it('reads 1 MiB and refuses a byte more', () => {
      file('domains/big', 'x'.repeat(MOST_BYTES));
      assert.equal(read('domains/big')?.length, MOST_BYTES);
      file('domains/big', 'x'.repeat(MOST_BYTES + 1));
      assert.match(refusal(() => read('domains/big'))[0]!, /it is larger than 1 MiB$/);
    });

    it('refuses bytes that are no UTF-8', () => {
      file('domains/l1', Buffer.from([0x62, 0xfc, 0x72, 0x6f]));
      assert.match(refusal(() => read('domains/l1'))[0]!, /it is not written in UTF-8$/);
    });

    it('leaves out a byte order mark', () => {
      file('domains/bom', '\ufeffhello');
      assert.equal(read('domains/bom'), 'hello');
    });

    it('reads an empty file', () => {
      file('domains/empty', '');
      assert.equal(read('domains/empty'), '');
    });
  });

  it('quotes a hostile name in its message and gives a command that is safe to copy', () => {
    file("domains/$(x) 'y'", '', 0o666);
    const [message, hint] = refusal(() => read("domains/$(x) 'y'"));
    assert.equal(
      message,
      `cannot trust configuration "/etc/domains/$(x) 'y'": everybody may write to it (mode 0666)`,
    );
    assert.equal(hint, `chmod go-w '/etc/domains/$(x) '\\''y'\\'''`);
    file('domains/\x1b[2J', '', 0o666);
    assert.deepEqual(
      refusal(() => read('domains/\x1b[2J')),
      ['cannot trust configuration "/etc/domains/\\u{1b}[2J": everybody may write to it (mode 0666)'],
    );
  });

  it('says what the kernel answered', () => {
    const name = 'x'.repeat(300);
    const [message] = refusal(() => read(`domains/${name}`));
    assert.equal(message, `cannot read configuration /etc/domains/${name}: ENAMETOOLONG`);
  });

  it('reads a file that comes and goes, or finds none', async () => {
    const path = join(root, 'domains/a.yaml');
    const comesAndGoes = `
      const { renameSync, unlinkSync, writeFileSync } = require('node:fs');
      const [path, stop] = require('node:worker_threads').workerData;
      while (Atomics.load(stop, 0) === 0) {
        writeFileSync(path + '.new', 'hello', { mode: 0o644 });
        renameSync(path + '.new', path);
        unlinkSync(path);
      }`;
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(comesAndGoes, { eval: true, workerData: [path, stop] });
    const seen = { there: 0, gone: 0 };
    try {
      for (const end = performance.now() + 20_000; performance.now() < end;) {
        if (seen.there > 2000 && seen.gone > 2000) break;
        const text = read();
        assert.ok(text === 'hello' || text === undefined);
        seen[text === undefined ? 'gone' : 'there'] += 1;
      }
    } finally {
      Atomics.store(stop, 0, 1);
      await once(worker, 'exit');
    }
    assert.ok(seen.there > 2000 && seen.gone > 2000, JSON.stringify(seen));
  });

  it('leaves no file open', () => {
    file('domains/bad', Buffer.from([0xff]));
    read();
    refusal(() => read('domains/bad'));
    const open = readdirSync('/proc/self/fd').map((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`);
      } catch {
        return '';
      }
    });
    assert.ok(open.length > 2);
    assert.deepEqual(
      open.filter((target) => target.startsWith(root)),
      [],
    );
  });
});

describe('listTrustedDirectory', () => {
  it('lists names as bytes, in byte order', () => {
    for (const name of ['b', 'B', 'ä', '.hidden']) file(`domains/${name}`, '');
    const names = listTrustedDirectory(tree, 'domains');
    assert.deepEqual(names?.map(String), ['.hidden', 'B', 'a.yaml', 'b', 'ä']);
  });

  it('lists the root', () => {
    assert.deepEqual(listTrustedDirectory(tree)?.map(String), ['domains']);
  });

  it('returns undefined where there is none', () => {
    assert.equal(listTrustedDirectory(tree, 'none'), undefined);
    assert.equal(listTrustedDirectory({ ...tree, root: join(directory, 'none') }), undefined);
  });

  it('refuses what is no directory', () => {
    assert.match(refusal(() => listTrustedDirectory(tree, 'domains/a.yaml'))[0]!, /it is no directory$/);
  });

  it('follows a link below the root and refuses one that leads outside', () => {
    symlinkSync('domains', join(root, 'in'));
    symlinkSync('..', join(root, 'out'));
    assert.deepEqual(listTrustedDirectory(tree, 'in')?.map(String), ['a.yaml']);
    assert.match(refusal(() => listTrustedDirectory(tree, 'out'))[0]!, /leads outside of \/etc$/);
  });
});
