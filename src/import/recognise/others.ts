import { byKey, itself, stays, type Recogniser } from '../verdict.ts';

/** Stops and starts units of systemd. */
export const services: Recogniser = ({ name, args, phase }, { stopped, started }) => {
  if (name !== 'systemctl') return undefined;
  const user = args.some((arg) => arg === '--user' || /^(?:--machine|-M)(?:=|$)/.test(arg ?? ''));
  const [verb, ...units] = args.filter((arg) => arg?.startsWith('-') !== true);
  if (verb === 'daemon-reload' || verb === 'is-active' || verb === 'status')
    return itself('nothing is changed by it');
  if (verb !== 'stop' && verb !== 'start')
    return stays('the key services stops and starts units, and does nothing else to them');
  if (user)
    return stays(
      'the key services can do it: {unit: NAME, user: NUMBER}, with the number of the user (id -u)',
    );
  const named = units.flatMap((unit) => unit ?? []).map(unitName);
  if (named.length === 0 || named.length < units.length)
    return stays('which unit it is cannot be told without running it');
  if (phase === 'begin') return byKey({ key: 'services', to: verb, units: named });
  const before = verb === 'start' ? stopped : started;
  if (named.every((unit) => before.has(unit)))
    return itself('the key services brings it back to what it was');
  return stays(
    `no script ${verb === 'start' ? 'stops' : 'starts'} it when the guest begins, so that it is nothing to put back`,
  );
};

/** The name of a unit with its type. */
export function unitName(unit: string): string {
  return /\.(?:service|socket|timer|path|target|slice|mount|scope)$/.test(unit) ? unit : `${unit}.service`;
}

/** What says something, waits, or directs the script. */
export const frame: Recogniser = ({ name, args, write }) => {
  if (name === 'sleep' || name === 'usleep')
    return itself('not needed: every step waits for what it needs, with a limit');
  if (name === 'nvidia-xconfig') return itself('not needed: the driver is bound to its device');
  if (name === 'wait' || name === 'udevadm') return itself('not needed: every step is read back');
  if (WORDS.has(name) && (!write || isLog(write.path))) return { kind: 'frame' };
  if (name === '' && args.length === 0) return { kind: 'frame' };
  return undefined;
};

const WORDS = new Set([
  ...[
    'echo',
    'printf',
    'set',
    'shopt',
    'exit',
    'return',
    'trap',
    'shift',
    'break',
    'continue',
    'true',
    'false',
  ],
  ...[
    ':',
    'date',
    'logger',
    'cd',
    'read',
    'unset',
    'exec',
    'tee',
    'cat',
    'grep',
    'test',
    'umask',
    'hash',
    'type',
    'seq',
  ],
  ...[
    'let',
    'declare',
    'local',
    'export',
    'readonly',
    'awk',
    'sed',
    'cut',
    'tr',
    'head',
    'tail',
    'wc',
    'sort',
    'lspci',
  ],
]);

/** Where a message goes that changes nothing; what cannot be told is no such place. */
function isLog(path: string | undefined): boolean {
  return (
    path !== undefined && /\/log\/|\.log$|^\/dev\/(?:null|kmsg|stderr|stdout|tty\d*)$|^\/tmp\//.test(path)
  );
}

/** Well-known programs that no key stands for. */
export const known: Recogniser = ({ name }) => {
  const why = STAY[name];
  return why === undefined ? undefined : stays(why);
};

const STAY: Readonly<Record<string, string>> = {
  setpci: 'no key writes into configuration space; a script between unbind and bind can',
  ddcutil: 'no key switches the input of a monitor',
  'notify-send': 'no key tells a desktop anything',
  taskset: 'no key pins single processes',
  chrt: 'no key changes priorities of processes',
  renice: 'no key changes priorities of processes',
  irqbalance: 'no key starts it otherwise than its unit does',
  'nvidia-smi': 'no key calls it',
  eval: 'what it runs cannot be told without running it',
};
