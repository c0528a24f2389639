/** What the kernel calls the text console on frame buffers (drivers/video/fbdev/core/fbcon.c:fbcon_startup). */
export const FRAME_BUFFER_CONSOLE = 'frame buffer device';

/** A driver of the text console: `vtcon1`. */
export interface Console {
  readonly name: string;
  /** `frame buffer device`, `VGA+`, `dummy device`. */
  readonly text: string;
  /** It is there for good: it can be neither unbound nor bound (drivers/tty/vt/vt.c:vt_bind, vt_unbind). */
  readonly system: boolean;
  readonly bound: boolean;
}

/** The text of a console's `name`: `(M) frame buffer device`; undefined: it is none. */
export function parseConsoleName(name: string): Pick<Console, 'text' | 'system'> | undefined {
  const [, kind, text] = /^\(([SM])\) (.+)$/.exec(name.trim()) ?? [];
  return text === undefined ? undefined : { text, system: kind === 'S' };
}

/** Whether a text can be a console's: it becomes a key. */
export function isConsoleText(text: string): boolean {
  return /^[\w+ -]{1,40}$/.test(text);
}

/** Whether a name is that of a device of the platform on which a driver of the firmware's frame buffer sits. */
export function isFirmwareFramebuffer(name: string): boolean {
  return /^(?:simple|efi|vesa|vga|platform)-framebuffer\.\d{1,4}$/.test(name);
}
