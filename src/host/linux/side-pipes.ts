import { closeSync, constants, openSync, read, readSync, writeSync } from 'node:fs';

/** What the shell beside this process answers to a request: one word, and a text that may be empty. */
export interface Answer {
  readonly word: string;
  readonly text: string;
}

/** Sends a request, a field in each line; its number, or undefined when it cannot be sent. */
export type Ask = (...fields: readonly string[]) => number | undefined;

/** Requests to a shell that reads them from the other end of this pipe. */
export function requestsTo(fd: number): Ask {
  let number = 0;
  return (...fields) => {
    if (fields.some((field) => /[\n\0]/.test(field))) return undefined;
    number += 1;
    try {
      writeSync(fd, [number, ...fields, ''].join('\n'));
      return number;
    } catch {
      // EPIPE: it has ended.
      return undefined;
    }
  };
}

/** The answers of a shell, to whoever waits for them. */
export interface Answers {
  /** Calls for each answer to a request, until it is forgotten; with none once there will never be one. */
  expect(request: number, take: (answer: Answer | undefined) => void): void;
  forget(request: number): void;
}

const ROOM = 4096;

/**
 * Reads answers from a pipe while somebody waits for one. The read is one that blocks, in Node's pool: a socket, which
 * does not, costs 4 ms more. Node does not end before such a read returns (uv_library_shutdown joins its threads), so it
 * is ended when nobody waits any more, and at the end of this process whatever comes: by a line of our own.
 */
export function answersFrom(fd: number): Answers {
  const waiting = new Map<number, (answer: Answer | undefined) => void>();
  const buffer = Buffer.alloc(ROOM);
  let rest = Buffer.alloc(0);
  let isReading = false;
  const wake = (): void => {
    if (isReading) sayNothing(fd);
  };

  const listen = (): void => {
    if (isReading || waiting.size === 0) return;
    isReading = true;
    process.once('exit', wake);
    read(fd, buffer, 0, ROOM, null, (error, length) => {
      isReading = false;
      process.off('exit', wake);
      if (error || length === 0) {
        for (const take of [...waiting.values()]) take(undefined);
        return;
      }
      const bytes = Buffer.concat([rest, buffer.subarray(0, length)]);
      const end = bytes.lastIndexOf('\n') + 1;
      rest = bytes.subarray(end);
      for (const line of bytes.toString('utf8', 0, end).split('\n')) {
        const [, number, word = '', text = ''] = /^(\d+) (\w+) ?(.*)$/s.exec(line) ?? [];
        waiting.get(Number(number))?.({ word, text });
      }
      listen();
    });
  };
  return {
    expect: (request, take) => {
      waiting.set(request, take);
      listen();
    },
    forget: (request) => {
      waiting.delete(request);
      if (waiting.size === 0) wake();
    },
  };
}

/** An empty line into the pipe that this end of it is read from: opened through /proc, it is written to. */
function sayNothing(fd: number): void {
  const other = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    writeSync(other, '\n');
  } finally {
    closeSync(other);
  }
}

/** The next line from a pipe that has one for each request, waiting for it; undefined when the other end is closed. */
export function lineFrom(fd: number): string | undefined {
  const buffer = Buffer.alloc(ROOM);
  let line = '';
  while (!line.endsWith('\n')) {
    const length = readSync(fd, buffer, 0, ROOM, null);
    if (length === 0) return undefined;
    line += buffer.toString('utf8', 0, length);
  }
  return line.trimEnd();
}
