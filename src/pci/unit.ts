/** A unit of systemd: of the system's own manager, or of that of a user. */
export interface Unit {
  /** With its suffix: `display-manager.service`. */
  readonly name: string;
  /** Number of the user; absent: the system's. */
  readonly user?: number;
}

/**
 * Names as systemd gives them (src/basic/unit-name.c:VALID_CHARS), of the sorts that can be stopped without taking a
 * session or a part of the system along, and without a dash in front, which would be an option in a command.
 */
const NAME = /^[\w@:.\\][\w@:.\\-]{0,240}\.(?:service|socket|timer|path)$/;

/** Whether a text is such a name. */
export function isUnitName(text: string): boolean {
  return NAME.test(text);
}

/** A name as people write it; without a suffix it is a service's, as for systemctl(1). Undefined: none. */
export function parseUnitName(text: string): string | undefined {
  const name = isUnitName(text) ? text : `${text}.service`;
  return isUnitName(name) ? name : undefined;
}

/** What a unit is held by: `display-manager.service`, `user 1000 pipewire.service`. */
export function unitKey({ name, user }: Unit): string {
  return user === undefined ? name : `user ${user} ${name}`;
}

/** What such a key says; undefined for every other text. */
export function parseUnitKey(key: string): Unit | undefined {
  const [, user, name = ''] = /^(?:user (0|[1-9]\d{0,9}) )?(\S+)$/.exec(key) ?? [];
  if (!isUnitName(name)) return undefined;
  return user === undefined ? { name } : { name, user: Number(user) };
}

/** As parseUnitKey, of a text that is known to be a key. */
export function unitOfKey(key: string): Unit {
  const unit = parseUnitKey(key);
  if (!unit) throw new Error(`${JSON.stringify(key)} is no unit of systemd`);
  return unit;
}

/** A unit in a sentence: `pipewire.service of user 1000`. */
export function unitWords({ name, user }: Unit): string {
  return user === undefined ? name : `${name} of user ${user}`;
}

/** The arguments of systemctl(1) for the manager that a user's units are of, or the system's. */
export function managerArguments(user: number | undefined): readonly string[] {
  return user === undefined ? [] : ['--user', `--machine=${user}@`];
}

/** The command line that does this with a unit, as a shell user would type it. */
export function unitCommand(verb: string, { name, user }: Unit): string {
  const quoted = name.includes('\\') ? `'${name}'` : name;
  return ['systemctl', ...managerArguments(user), verb, '--', quoted].join(' ');
}
