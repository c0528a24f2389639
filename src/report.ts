import { writeSync } from 'node:fs';
import { errnoOf, VfioHookError } from './errors.ts';
import { pause } from './pause.ts';
import { escapeControl } from './text.ts';

/**
 * The lines that tell a person about an error: `vfio-hook: error: …`, then `vfio-hook: hint: …`. No stack
 * trace, no control character.
 */
export function errorLines(error: unknown): string[] {
  const message = error instanceof Error ? error.message : String(error);
  const hints =
    error instanceof VfioHookError
      ? error.hints
      : ['this is a fault of vfio-hook; please report it with the output of: vfio-hook --version'];
  return [`error: ${message}`, ...hints.map((hint) => `hint: ${hint}`)].map(
    (line) => `vfio-hook: ${escapeControl(line)}`,
  );
}

/** Times that a full pipe is tried again, and the pause between: 200 ms in all. */
const TRIES = 40;
const PAUSE_MS = 5;

/**
 * Writes a line to stderr, synchronously. A reader that is gone (libvirtd was restarted) or asleep costs the
 * line and nothing else.
 */
export function sayOnStderr(line: string): void {
  const bytes = Buffer.from(`${line}\n`);
  let at = 0;
  for (let tries = 0; at < bytes.length && tries < TRIES; tries += 1) {
    try {
      at += writeSync(2, bytes, at);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') return;
      pause(PAUSE_MS);
    }
  }
}
