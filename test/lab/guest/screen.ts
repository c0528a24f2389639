import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

import type { CaseContext } from './case.ts';
import { defineUnit, type LabUnit } from './systemd.ts';
import { read } from './sysfs.ts';

const consoles = '/sys/class/vtconsole';

/** What the host shows its screen with: consoles, frame buffers, DRM nodes, and which terminal is shown. */
export function screen(): Readonly<Record<string, string>> {
  return {
    ...Object.fromEntries(
      readdirSync(consoles).map((name) => [
        name,
        `${read(`${consoles}/${name}/name`) ?? ''}, bind ${read(`${consoles}/${name}/bind`) ?? ''}`,
      ]),
    ),
    'frame buffers': read('/proc/fb') ?? '',
    'DRM nodes': existsSync('/dev/dri') ? readdirSync('/dev/dri').sort().join(' ') : '',
    terminal: read('/sys/class/tty/tty0/active') ?? '',
    text: consoleText(),
  };
}

/** Writes to the first text terminal, alone on its screen and without a cursor, whose blinking would be a difference. */
export function writeConsole(text: string): void {
  writeFileSync('/dev/tty1', `\u001b[H\u001b[2J\u001b[?25l${text}`);
}

/** What stands on the first text terminal, shown or not (vcs(4)). */
export function consoleText(): string {
  return readFileSync('/dev/vcs1', 'latin1').trim();
}

/** What is on the screen, as a short hash of the frame buffer; undefined while it is black, or there is none. */
export function pixels(): string | undefined {
  if (!existsSync('/dev/fb0')) return undefined;
  const bytes = readFileSync('/dev/fb0');
  if (bytes.every((byte) => byte === 0)) return undefined;
  return createHash('sha256').update(bytes).digest('hex').slice(0, 12);
}

/** The login screen: a unit that has the DRM node and a terminal, known as display-manager.service. */
export const displayManager: LabUnit = { name: 'lab-display.service' };

/** Makes it for the time of a case, not started. */
export async function defineDisplayManager(context: CaseContext): Promise<void> {
  await defineUnit(
    context,
    displayManager,
    '[Unit]',
    'After=systemd-user-sessions.service',
    '[Service]',
    'Type=notify',
    'ExecStart=/usr/bin/perl /share/display-server.pl',
    '[Install]',
    'Alias=display-manager.service',
  );
}
