import { unitKey } from '../src/pci/unit.ts';
import { endProcess } from './processes.ts';
import type { LoginSpec } from './spec.ts';
import type { MachineState, Process } from './state.ts';
import { directory, text, type Directory } from './tree.ts';

/**
 * /run/systemd/sessions, as logind keeps it (systemd, src/login/logind-session.c:session_save, session_create_fifo): beside
 * each session a pipe that nobody who goes on may read.
 */
export function loginSessions(state: MachineState): Directory {
  return directory(
    Object.fromEntries(
      state.logins.flatMap((login) => [
        [login.id, text(() => sessionText(login))] as const,
        [`${login.id}.ref`, text(waitsForEver)] as const,
      ]),
    ),
  );
}

function waitsForEver(): never {
  throw new Error('a read of the pipe of a session never returns');
}

function sessionText({ id, user, uid, service, type, class: what, seat }: LoginSpec): string {
  return [
    '# This is private data. Do not parse.',
    `UID=${uid}`,
    `USER=${user}`,
    'ACTIVE=1',
    'STATE=active',
    'REMOTE=0',
    `TYPE=${type}`,
    `CLASS=${what}`,
    `SCOPE=session-${id}.scope`,
    ...(seat === undefined ? [] : [`SEAT=${seat}`]),
    `SERVICE=${service}`,
    '',
  ].join('\n');
}

/**
 * The sessions that a display manager has begun end with it, and what a user's own manager runs once that user has no
 * session any more, or is said to end with that one. Processes that take their time end later.
 */
export function endSessionsOf(state: MachineState, key: string): void {
  const ending = state.logins.filter(({ manager }) => manager === key);
  if (ending.length === 0) return;
  state.logins = state.logins.filter((login) => !ending.includes(login));
  const scopes = ending.map(({ id }) => `session-${id}.scope`);
  const users = ending
    .map(({ uid }) => uid)
    .filter((uid) => !state.logins.some((login) => login.uid === uid));
  const isOf = ({ unit, endsMs }: Process): boolean => {
    if (!unit) return false;
    if (unit.user === undefined) return scopes.includes(unit.name);
    return users.includes(unit.user) || (endsMs !== undefined && ending.some(({ uid }) => uid === unit.user));
  };
  for (const process of state.processes.filter(isOf)) {
    const { endsMs } = process;
    if (!endsMs) endProcess(state, process);
    else
      state.schedule.push({ at: state.clock + endsMs, operation: { do: 'end-process', pid: process.pid } });
    const own = process.unit && unitKey(process.unit);
    if (own !== undefined && state.units[own]) state.units[own].active = 'inactive';
  }
}
