import type { ConfigScope, PartialConfig } from './config.ts';

/** A configuration file that was decoded, and all that its decoding depends on. */
export interface Decoded {
  /** The program that decoded it: the name of its directory of parts, which every change of the decoder changes. */
  readonly build: string;
  /** Where it was found: messages name it, and its ending says the format. */
  readonly path: string;
  readonly scope: ConfigScope;
  /** All of the file. Kept as it is and not as a hash, so that nothing but these very bytes can pass for it. */
  readonly text: string;
}

/** What {@link encodeKept} writes in place of a map, which JSON does not know; no key of a configuration is called so. */
const MAP = '$map';

/** A configuration and what it was decoded from as JSON, for {@link decodeKept}. */
export function encodeKept({ build, path, scope, text }: Decoded, config: PartialConfig): string {
  const withMaps = (_: string, value: unknown): unknown =>
    value instanceof Map ? { [MAP]: [...(value as ReadonlyMap<unknown, unknown>)] } : value;
  return `${JSON.stringify({ build, path, scope, text, config }, withMaps, 1)}\n`;
}

/**
 * The configuration in a text of {@link encodeKept}; undefined when it was decoded from anything else, by another
 * build, or cannot be read. What is in it is not judged again: whoever asks sees to it that the text is, to the last
 * bit, what this program wrote.
 */
export function decodeKept(kept: string, { build, path, scope, text }: Decoded): PartialConfig | undefined {
  let read: unknown;
  try {
    read = JSON.parse(kept, (_, value: unknown) => (isMap(value) ? new Map(value[MAP]) : value));
  } catch {
    return undefined;
  }
  if (typeof read !== 'object' || read === null) return undefined;
  const of = read as Readonly<Record<string, unknown>>;
  const same = of['build'] === build && of['path'] === path && of['scope'] === scope && of['text'] === text;
  const config = of['config'];
  return same && typeof config === 'object' && config !== null ? config : undefined;
}

function isMap(
  value: unknown,
): value is Readonly<Record<typeof MAP, readonly (readonly [unknown, unknown])[]>> {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, MAP);
}
