import type { Holder, Host } from '../host/host.ts';
import {
  isOfDisplayManager,
  isSessionId,
  parseLoginSession,
  type LoginSession,
} from '../pci/login-session.ts';
import { unitKey } from '../pci/unit.ts';
import { canonicalUnit, hasUnitFile } from './units.ts';
import { knownDesktop } from './uses/desktops.ts';

/** Sessions that logind knows, a file for each, and a pipe. */
const SESSIONS = '/run/systemd/sessions';

/** The name under which every distribution has its own (systemd's graphical.target). */
const ALIAS = 'display-manager.service';

/** What shows the login screen of a host. */
export interface DisplayManager {
  /** Its unit, by the key of src/pci/unit.ts: `gdm.service`. */
  readonly key: string;
  /** Sessions that end with it. */
  readonly sessions: readonly LoginSession[];
  /** Every other session. */
  readonly others: readonly LoginSession[];
}

/** The unit of the display manager of this host, by its key, whether it runs or not; undefined when it has none. */
export function displayManagerUnit(host: Host): string | undefined {
  return hasUnitFile(host, ALIAS) ? unitKey(canonicalUnit(host, { name: ALIAS })) : undefined;
}

/** The display manager, with everybody's sessions; undefined when this host has none. */
export function displayManager(host: Host): DisplayManager | undefined {
  const key = displayManagerUnit(host);
  if (key === undefined) return undefined;
  const sessions = loginSessions(host);
  return {
    key,
    sessions: sessions.filter(isOfDisplayManager),
    others: sessions.filter((session) => !isOfDisplayManager(session)),
  };
}

/**
 * The sessions that there are. sd_session_get_type(3) and its kin read the same files
 * (systemd, src/libsystemd/sd-login/sd-login.c).
 */
function loginSessions(host: Host): LoginSession[] {
  return (host.list(SESSIONS) ?? [])
    .filter(isSessionId)
    .flatMap((id) => parseLoginSession(id, host.read(`${SESSIONS}/${id}`) ?? '') ?? []);
}

/** Users whose work would be lost with it, by name, each once. */
export function usersOf({ sessions }: DisplayManager): readonly string[] {
  const users = sessions.filter((session) => session.class === 'user').map(({ user }) => user);
  return [...new Set(users)];
}

/**
 * Whether a process ends when the display manager stops: one of a session that it has begun, or one of such a user's own
 * manager. What that runs stays as long as the user has another session, or lingers; but a desktop ends with its session.
 */
export function endsWith(host: Host, { sessions, others }: DisplayManager, holder: Holder): boolean {
  const { unit } = holder;
  if (!unit) return false;
  const scope = /^session-(.+)\.scope$/.exec(unit.name)?.[1];
  if (unit.user === undefined) return sessions.some(({ id }) => id === scope);
  if (!sessions.some(({ uid }) => uid === unit.user)) return false;
  if (knownDesktop(holder) !== undefined) return true;
  const [user = ''] = sessions.filter(({ uid }) => uid === unit.user).map((session) => session.user);
  const lingers = /^[\w.-]+$/.test(user) && host.status(`${LINGERING}/${user}`) !== undefined;
  return !lingers && !others.some(({ uid, class: what }) => uid === unit.user && what === 'user');
}

/** Users whose manager stays when they have no session any more (loginctl enable-linger). */
const LINGERING = '/var/lib/systemd/linger';
