import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { VfioHookError } from '../../../src/errors.ts';
import { hintText } from '../../../src/hint.ts';
import { refusedWrite } from '../../../src/host/linux/host.ts';
import { errnoFromMessage } from '../../../src/host/linux/errno-text.ts';

/** What dd says of it, in the C locale. */
const ddSays = (text: string): string => `dd: failed to open '/sys/bus/pci/drivers/a: b/bind': ${text}\n`;

describe('refusedWrite', () => {
  const path = '/sys/bus/pci/drivers/nocreat/bind';
  for (const [whose, said] of [
    ['busybox 1.35', "dd: invalid argument 'nocreat' to 'conv'\n"],
    ['coreutils before 5.3', "dd: invalid conversion: 'nocreat'\nTry 'dd --help' for more information.\n"],
    ['uutils, should it forget it', 'dd: Unrecognized conv=CONV -> nocreat\n'],
  ] as const) {
    it(`names the package when dd knows too little: ${whose}`, () => {
      assert.throws(
        () => refusedWrite(path, said),
        (error) => {
          assert.ok(error instanceof VfioHookError);
          assert.equal(error.code, 'VH_INSTALLATION');
          assert.match(error.message, /^the program dd of this host does not do what is needed .*nocreat/);
          assert.deepEqual(error.hints.map(hintText), ['install the package coreutils']);
          return true;
        },
      );
    });
  }

  it('takes no word of the path for one of dd', () => {
    const said = `dd: failed to open '${path}': Device or resource busy\n`;
    assert.deepEqual(refusedWrite(path, said), { kind: 'refused', errno: 'EBUSY' });
  });
});

describe('errnoFromMessage', () => {
  it('reads the errno at the end of a message, whatever the path before it contains', () => {
    assert.equal(errnoFromMessage(ddSays('Device or resource busy')), 'EBUSY');
    assert.equal(errnoFromMessage("dd: error writing '/x: Permission denied': No such device\n"), 'ENODEV');
  });

  it('looks at the last line', () => {
    assert.equal(errnoFromMessage('dd: warning: Invalid argument\ndd: error: Input/output error\n'), 'EIO');
  });

  it('knows the kernel’s own ENOTSUPP, as glibc and as musl show it', () => {
    assert.equal(errnoFromMessage(ddSays('Unknown error 524')), 'ENOTSUPP');
    assert.equal(errnoFromMessage(ddSays('No error information')), 'ENOTSUPP');
  });

  it('knows musl’s words where they differ', () => {
    assert.equal(errnoFromMessage(ddSays('Resource busy')), 'EBUSY');
    assert.equal(errnoFromMessage(ddSays('I/O error')), 'EIO');
    assert.equal(errnoFromMessage(ddSays('Out of memory')), 'ENOMEM');
  });

  it('passes on a text that it does not know, and takes silence for an I/O error', () => {
    assert.equal(errnoFromMessage(ddSays('Something new')), 'Something new');
    assert.equal(errnoFromMessage(ddSays('constructor')), 'constructor');
    assert.equal(errnoFromMessage(''), 'EIO');
    assert.equal(errnoFromMessage('\n'), 'EIO');
  });

  it('goes by the number where Rust’s library appends it', () => {
    assert.equal(errnoFromMessage(ddSays('No such file or directory (os error 2)')), 'ENOENT');
    assert.equal(errnoFromMessage('dd: IO error: permission denied (os error 13)\n'), 'EACCES');
    assert.equal(
      errnoFromMessage('dd: IO error: Resource temporarily unavailable (os error 11)\n'),
      'EAGAIN',
    );
    assert.equal(errnoFromMessage('dd: IO error: Unknown error 524 (os error 524)\n'), 'ENOTSUPP');
    assert.equal(errnoFromMessage('dd: IO error: Operation not supported (os error 95)\n'), 'EOPNOTSUPP');
    assert.equal(errnoFromMessage('dd: IO error: Too many users (os error 87)\n'), 'EUSERS');
  });

  it('understands uutils 0.0.17 (Debian 12), which names no file when a write fails', () => {
    assert.equal(errnoFromMessage("dd: failed to open '/sys/x': Permission denied\n"), 'EACCES');
    assert.equal(errnoFromMessage('dd: IO error: No space left on device\n'), 'ENOSPC');
  });

  /** Answers that drivers and the PCI core give to writes. */
  const answers = [
    'EPERM',
    'ENOENT',
    'EINTR',
    'EIO',
    'ENXIO',
    'EAGAIN',
    'ENOMEM',
    'EACCES',
    'EFAULT',
    'EBUSY',
    'EEXIST',
    'ENODEV',
    'ENOTDIR',
    'EISDIR',
    'EINVAL',
    'EFBIG',
    'ENOSPC',
    'EROFS',
    'EPIPE',
    'ERANGE',
    'ENOSYS',
    'ENOTTY',
    'EOPNOTSUPP',
    'ETIMEDOUT',
    'ELOOP',
    'ENODATA',
    'EPROTO',
    'ECANCELED',
    'ENOEXEC',
  ] as const;
  it('reads what this system’s own C library prints for each', function () {
    const numbers = answers.map((name) => constants.errno[name as keyof typeof constants.errno]);
    // perl prints strerror(3); so do dd and grep.
    const perl = spawnSync('perl', ['-e', 'for (@ARGV) { $! = $_; print "$!\\n" }', ...numbers.map(String)], {
      encoding: 'utf8',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
    });
    if (perl.error) this.skip();
    const texts = perl.stdout.trimEnd().split('\n');
    assert.deepEqual(
      texts.map((text) => errnoFromMessage(ddSays(text))),
      answers,
    );
  });
});
