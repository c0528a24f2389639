import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { errnoFromMessage } from '../../../src/host/linux/errno-text.ts';

/** What dd says of it, in the C locale. */
const ddSays = (text: string): string => `dd: failed to open '/sys/bus/pci/drivers/a: b/bind': ${text}\n`;

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
