import assert from 'node:assert/strict';
import { kernelArgument, modprobeLines } from '../../src/doctor/boot.ts';
import { isExecutable, linkTarget, realPath, target, word } from '../../src/doctor/files.ts';
import { linuxHost } from '../../src/host/linux/host.ts';
import { worst } from '../../src/doctor/finding.ts';
import type { Host } from '../../src/host/host.ts';
import { scenarios } from '../scenario.ts';
import { machineOf, type Situation } from './machine.ts';

describe('what the doctor reads', () => {
  const scenario = scenarios();
  const hostWith = (situation: Situation): Host => scenario(machineOf(situation)).engine().host;

  describe('realPath', () => {
    const paths: readonly (readonly [sentence: string, path: string, real: string | undefined])[] = [
      ['a file', '/a/file', '/a/file'],
      ['a link', '/a/link', '/a/file'],
      ['a link to a link', '/a/second', '/a/file'],
      ['through a directory that is a link', '/d/file', '/a/file'],
      ['a circle', '/a/circle', undefined],
      ['a link to nothing', '/a/dangling', undefined],
      ['nothing', '/a/none', undefined],
      ['with dots', '/a/./../a/file', '/a/file'],
    ];
    for (const [sentence, path, real] of paths) {
      it(sentence, () => {
        const host = hostWith({
          files: {
            '/a/file': 'x',
            '/a/link': '-> /a/file',
            '/a/second': '-> /a/link',
            '/d': '-> /a',
            '/a/circle': '-> /a/circle',
            '/a/dangling': '-> /nowhere',
          },
        });
        assert.equal(realPath(host, path), real);
      });
    }
  });

  it('a real path on this very machine', () => {
    assert.equal(linkTarget(linuxHost, '/'), undefined);
    assert.equal(linkTarget(linuxHost, '/etc/passwd'), undefined);
    assert.equal(realPath(linuxHost, '/proc/self/../version'), '/proc/version');
    assert.equal(realPath(linuxHost, '/nonexistent/file'), undefined);
  });

  it('a program is a regular file with an x bit, behind any links', () => {
    const host = hostWith({
      files: { '/a/file': 'x', '/a/link': '-> /a/file', '/a/plain': 'x', '/a/directory/x': '' },
      facts: { '/a/file': { mode: 0o744 } },
    });
    const executable = (path: string): boolean => isExecutable(target(host, path)?.status);
    assert.deepEqual(['/a/link', '/a/plain', '/a/directory', '/a/none'].map(executable), [
      true,
      false,
      false,
      false,
    ]);
  });

  it('a path as a word of the shell', () => {
    assert.equal(word('/a/b-c'), '/a/b-c');
    assert.equal(word("/a/it's"), "'/a/it'\\''s'");
    assert.equal(word('/a/\u001b[2J'), "'/a/\\u{1b}[2J'");
  });

  it('arguments of the kernel: the last one holds, dashes and underscores are the same', () => {
    const host = hostWith({ machine: { commandLine: 'quiet a-b=1 a_b=2 a_bc=3' } });
    assert.equal(kernelArgument(host, 'a-b'), '2');
    assert.equal(kernelArgument(host, 'b'), undefined);
  });

  it('lines of modprobe: comments left out, long ones joined, a file hides its namesake', () => {
    const host = hostWith({
      files: {
        '/etc/modprobe.d/a.conf': '#options x y\noptions vfio-pci ids=1:2 \\\n disable_vga=1\n\n',
        '/usr/lib/modprobe.d/a.conf': 'blacklist hidden\n',
        '/usr/lib/modprobe.d/b.conf': 'blacklist nouveau\n',
        '/etc/modprobe.d/README': 'blacklist nobody\n',
      },
    });
    assert.deepEqual(
      modprobeLines(host).map(({ verb, module, rest }) => [verb, module, rest]),
      [
        ['options', 'vfio_pci', 'ids=1:2 disable_vga=1'],
        ['blacklist', 'nouveau', ''],
      ],
    );
  });
});

describe('findings', () => {
  it('the worst counts; what was not seen counts less than a warning', () => {
    const verdict = (...verdicts: readonly ('ok' | 'unknown' | 'warning' | 'failure')[]): string =>
      worst(verdicts.map((each) => ({ verdict: each })));
    assert.equal(verdict(), 'ok');
    assert.equal(verdict('ok', 'unknown'), 'unknown');
    assert.equal(verdict('failure', 'warning', 'ok'), 'failure');
    assert.equal(verdict('unknown', 'warning'), 'warning');
  });
});
