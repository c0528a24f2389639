import { advice, hintText, type Hint } from './hint.ts';
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { errnoOf } from './errors.ts';
import { asFailure } from './failure.ts';
import { pause } from './pause.ts';
import { escapeControl } from './text.ts';

/**
 * The lines that tell a person about an error: `vfio-hook: error: …`, then `vfio-hook: hint: …`. No stack
 * trace, no text of Node about a failed system call, and each of them one line whatever the error repeats.
 */
export function errorLines(error: unknown): string[] {
  const hints = errorHints(error).map((hint) => `hint: ${hintText(hint)}`);
  return [`error: ${errorSentence(error)}`, ...hints].map((line) => escapeControl(`vfio-hook: ${line}`));
}

/** What an error says. */
export function errorSentence(error: unknown): string {
  return asFailure(error)?.message ?? (error instanceof Error ? error.message : String(error));
}

/** What to do about an error. */
export function errorHints(error: unknown): readonly Hint[] {
  return (
    asFailure(error)?.hints ?? [
      advice('this is a fault of vfio-hook; please report it with the output of: vfio-hook --version'),
    ]
  );
}

/** Times that a full pipe is tried again, and the pause between: 200 ms in all. */
const TRIES = 40;
const PAUSE_MS = 5;

/**
 * Writes a line to stderr, synchronously, and makes one line of it whatever it contains. A reader that is gone
 * (libvirtd was restarted) or asleep costs the line and nothing else.
 */
export function sayOnStderr(line: string): void {
  const bytes = Buffer.from(`${escapeControl(line)}\n`);
  const fd = withoutBlocking(STDERR);
  try {
    for (let at = 0, tries = 0; at < bytes.length && tries < TRIES; tries += 1) {
      at += writeWhatFits(fd, bytes, at);
    }
  } catch {
    // Said above: the line is lost.
  } finally {
    if (fd !== STDERR) closeSync(fd);
  }
}

const STDERR = 2;

/** Bytes written; 0, after a pause, while the pipe is full. */
function writeWhatFits(fd: number, bytes: Uint8Array, at: number): number {
  try {
    return writeSync(fd, bytes, at);
  } catch (error) {
    if (errnoOf(error) !== 'EAGAIN') throw error;
    pause(PAUSE_MS);
    return 0;
  }
}

/**
 * A pipe opened again, as one that does not block: Node cannot set O_NONBLOCK on a descriptor that it has.
 * The descriptor itself for everything else, and where /proc does not give the pipe.
 */
function withoutBlocking(fd: number): number {
  try {
    if (!fstatSync(fd).isFIFO()) return fd;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}
