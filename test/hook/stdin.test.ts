import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VfioHookError } from '../../src/errors.ts';
import { MOST_BYTES, readStdin } from '../../src/hook/stdin.ts';
import { temporaryDirectory } from './compiled.ts';

const directory = temporaryDirectory();

/** What is read from a file with this content. */
function reading(content: string | Uint8Array): string {
  const path = join(directory, 'input');
  writeFileSync(path, content);
  const fd = openSync(path, 'r');
  try {
    return readStdin(fd);
  } finally {
    closeSync(fd);
  }
}

function refuses(content: string | Uint8Array, message: string): void {
  assert.throws(
    () => reading(content),
    (error) =>
      error instanceof VfioHookError &&
      error.code === 'VH_XML' &&
      error.message === `cannot read the domain XML: ${message}`,
  );
}

describe('readStdin', () => {
  it('reads to the end', () => {
    for (const text of ['', '<domain/>', 'ä客\u{1f600}', 'x'.repeat(200_000)])
      assert.equal(reading(text), text);
  });

  it('puts a character together that lies across two reads', () => {
    const text = `${'x'.repeat(65_535)}\u00e4`;
    assert.equal(reading(text), text);
  });

  it('keeps lines as they are, but for a byte order mark', () => {
    assert.equal(reading('\ufeff<a>\r\n\0</a>'), '<a>\r\n\0</a>');
  });

  it('takes 16 MiB, and refuses one byte more', () => {
    assert.equal(reading(Buffer.alloc(MOST_BYTES, 'x')).length, MOST_BYTES);
    refuses(Buffer.alloc(MOST_BYTES + 1, 'x'), 'it is larger than 16 MiB');
  });

  it('refuses what is no UTF-8', () => {
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf]])
      refuses(Uint8Array.from(bytes), 'it is not UTF-8');
  });

  it('refuses a descriptor that is closed, and one that is a directory', () => {
    assert.throws(() => readStdin(9999), /cannot read the domain XML: EBADF$/);
    const fd = openSync(directory, 'r');
    assert.throws(() => readStdin(fd), /cannot read the domain XML: EISDIR$/);
    closeSync(fd);
  });

  it('waits for the writer of a pipe that does not block', () => {
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(fifo, constants.O_WRONLY);
    const nothingYet = Buffer.alloc(1);
    assert.throws(() => readSync(reader, nothingYet), { code: 'EAGAIN' });
    // It takes a while to start, and nothing is read here before it has.
    spawn(process.execPath, ['-e', 'process.stdout.write("<domain/>")'], {
      stdio: ['ignore', writer, 'ignore'],
    });
    closeSync(writer);
    assert.equal(readStdin(reader), '<domain/>');
    closeSync(reader);
  });
});
