/** A session of somebody who has logged in, or of the program that asks for it. */
export interface LoginSession {
  readonly id: string;
  /** Name of the user. */
  readonly user: string;
  readonly uid: number;
  /** The service of PAM through which it began: `gdm-password`, `login`, `sshd`. */
  readonly service: string;
  /** `x11`, `wayland`, `mir`, `tty`, `unspecified`, … */
  readonly type: string;
  /** `user`, `greeter`, `manager`, … */
  readonly class: string;
  /** Whether it is at the screens and keyboards of this host, and not one from elsewhere. */
  readonly atSeat: boolean;
}

/**
 * Whether a file beside others of its kind is a session's (systemd, src/login/logind-session.c:session_id_valid). A name with
 * a dot is that of a pipe, `3.ref`, by which logind hears of the end of a session: reading it would never return.
 */
export function isSessionId(name: string): boolean {
  return /^[A-Za-z0-9]{1,64}$/.test(name);
}

/** What logind keeps of a session (systemd, src/login/logind-session.c:session_save); undefined for a text that is none. */
export function parseLoginSession(id: string, text: string): LoginSession | undefined {
  const value = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1];
  const uid = value('UID') ?? '';
  if (!isSessionId(id) || !/^\d{1,10}$/.test(uid)) return undefined;
  return {
    id,
    uid: Number(uid),
    user: value('USER') ?? uid,
    service: value('SERVICE') ?? '',
    type: value('TYPE') ?? '',
    class: value('CLASS') ?? '',
    atSeat: (value('SEAT') ?? '') !== '',
  };
}

/**
 * Whether a display manager has begun a session, so that it ends with it: one at a seat that draws, or asks who is there.
 * One that was begun at a text console (`login`) is its own, also where a desktop was started in it.
 */
export function isOfDisplayManager({ atSeat, class: what, type, service }: LoginSession): boolean {
  if (!atSeat || service === 'login') return false;
  return what === 'greeter' || ['x11', 'wayland', 'mir'].includes(type);
}
