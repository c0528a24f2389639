import { ATTRIBUTE_PATH, ATTRIBUTE_VALUE, isTypeId, type MdevAttributes } from './mdev.ts';

/** Where the definitions are: PARENT/UUID. */
export const MDEVCTL = '/etc/mdevctl.d';

/** What a definition of mdevctl says, besides the parent and the UUID, which are in its path. */
export interface MdevctlDefinition {
  readonly type: string;
  /** Whether mdevctl's udev rule makes the device as soon as its parent is there. */
  readonly start: 'auto' | 'manual';
  readonly attributes: MdevAttributes;
}

/** More than any definition needs. */
const LONGEST = 64 * 1024;
const MOST_ATTRIBUTES = 256;

/**
 * Reads a definition: a file of /etc/mdevctl.d/PARENT/UUID (mdevctl 1.x, src/mdev.rs:load_from_json). What mdevctl itself
 * does not know is no matter of this program either and passed over. Returns what is wrong as text, never quoting from it.
 */
export function parseMdevctl(text: string): MdevctlDefinition | string {
  if (text.length > LONGEST) return 'it is longer than 64 KiB';
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'it is no JSON';
  }
  if (!isRecord(json)) return 'it is no JSON object';
  const { mdev_type: type, start, attrs = [] } = json;
  if (typeof type !== 'string' || !isTypeId(type)) return 'its "mdev_type" is no type of mediated devices';
  if (start !== undefined && start !== 'auto' && start !== 'manual')
    return 'its "start" is neither "auto" nor "manual"';
  if (!Array.isArray(attrs) || attrs.length > MOST_ATTRIBUTES) return 'its "attrs" are no list';
  const attributes = (attrs as readonly unknown[]).map(attribute);
  const broken = attributes.findIndex((each) => each === undefined);
  if (broken !== -1)
    return `number ${broken + 1} of its "attrs" is not one file of the device with a text to write to it`;
  return { type, start: start ?? 'manual', attributes: attributes.flatMap((each) => (each ? [each] : [])) };
}

function attribute(entry: unknown): MdevAttributes[number] | undefined {
  const [pair, ...others] = isRecord(entry) ? Object.entries(entry) : [];
  if (!pair || others.length > 0) return undefined;
  const [name, value] = pair;
  if (typeof value !== 'string' || !ATTRIBUTE_PATH.test(name) || !ATTRIBUTE_VALUE.test(value))
    return undefined;
  return [name, value];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
