import { readdirSync } from 'node:fs';
import { advice, type Hint } from '../hint.ts';
import {
  defaultConfig,
  mergeConfig,
  type Config,
  type ConfigDecoder,
  type ConfigEditor,
  type ConfigScope,
  type DeviceRule,
  type PartialConfig,
} from '../config/config.ts';
import { defaultsFiles, guestFilePath, guestFiles, type GuestKey } from '../config/guest-file.ts';
import { quoteName, shownPath } from '../text.ts';
import { wholeFile } from '../config/rule-text.ts';
import { VfioHookError } from '../errors.ts';
import type { KeptConfigs } from './kept-config.ts';
import { listTrustedDirectory, readTrustedFile, type TrustedTree } from './trusted-file.ts';

/** Where the configuration of a guest comes from. */
export interface ConfigSource {
  /** `/etc/vfio-hook` on a real host. */
  readonly configDir: string;
  /** Who must own the files: 0 on a real host. */
  readonly trustedUid: number;
  /** Undefined: only what holds for all guests. */
  readonly guest: GuestKey | undefined;
  /** Called when there is a file to decode and not before: what it loads costs as much as the rest of a run. */
  readonly decoder: () => ConfigDecoder;
  /** What earlier runs have decoded; absent: nothing is kept. */
  readonly kept?: KeptConfigs;
  /** A text that stands in for the guest's own file, for trying it before it is installed. */
  readonly instead?: ConfigText;
}

/** A configuration file that was read. */
export interface ConfigText {
  readonly path: string;
  readonly text: string;
}

/**
 * The configuration of one guest: what holds without any, then `config.yaml`, then the file of the guest in
 * `domains`, named after its name or UUID. `.yml` and `.json` do as well.
 *
 * - No file, or no directory at all, is fine.
 * - Two files for the same thing are an error: which one holds would be a guess.
 * - A file of another guest is not even opened, so a broken one refuses that guest only.
 *
 * Throws `VH_CONFIG`.
 */
export function loadConfig(source: ConfigSource): Config {
  const { configDir, trustedUid, guest, instead } = source;
  const tree: TrustedTree = { root: configDir, trustedUid, code: 'VH_CONFIG', what: 'configuration' };
  const entries = listTrustedDirectory(tree);
  const defaults = entries && onlyOne(tree, defaultsFiles(entries), '', 'the defaults of all guests');
  const ofAll = read(tree, defaults);
  const own = instead ?? (entries && guest && read(tree, ownFile(tree, guest)));
  const merged = (config: Config, file: ConfigText | undefined, scope: ConfigScope): Config =>
    file ? mergeConfig(config, decoded(source, file, scope)) : config;
  return merged(merged(defaultConfig, ofAll, 'all'), own, 'guest');
}

function decoded(
  { decoder, kept, instead }: ConfigSource,
  file: ConfigText,
  scope: ConfigScope,
): PartialConfig {
  const known = file === instead ? undefined : kept?.find(file, scope);
  if (known) return known;
  const config = decoder().decodeConfigFile(file.text, file.path, scope);
  if (file !== instead) kept?.keep(file, scope, config);
  return config;
}

/**
 * Whether a guest has a configuration file of its own, by the names in `domains` alone: whether it may be read, and what
 * it says, is for {@link loadConfig}.
 */
export function hasOwnConfig({ configDir, instead }: ConfigSource, guest: GuestKey): boolean {
  if (instead) return true;
  try {
    return guestFiles(readdirSync(`${configDir}/domains`, { encoding: 'buffer' }), guest).length > 0;
  } catch {
    return false;
  }
}

/** The configuration of one guest, and how a rule gets into it. */
export interface EditableConfig extends Omit<ConfigSource, 'guest' | 'decoder' | 'kept'> {
  readonly guest: GuestKey;
  readonly decoder: () => ConfigEditor;
}

/**
 * What to do so that the guest's own file has these rules: a whole file to paste where there is none yet, else lines of
 * the file that is there. As `PlaceRules`.
 */
export function configHints(
  { configDir, trustedUid, guest, decoder, instead }: EditableConfig,
  rules: readonly DeviceRule[],
  purpose?: string,
): readonly Hint[] {
  const file = instead ?? ownText({ configDir, trustedUid, guest });
  return file
    ? decoder().placeRules(file.text, file.path, rules, purpose)
    : [wholeFile(guestFilePath(guest, configDir), rules, purpose)];
}

/** The guest's own file, as the hook would read it; undefined when there is none. Throws `VH_CONFIG`. */
export function ownConfigText({
  configDir,
  trustedUid,
  guest,
}: Pick<EditableConfig, 'configDir' | 'trustedUid' | 'guest'>): ConfigText | undefined {
  const tree: TrustedTree = { root: configDir, trustedUid, code: 'VH_CONFIG', what: 'configuration' };
  return listTrustedDirectory(tree) && read(tree, ownFile(tree, guest));
}

/** Whoever wants a hint has read the configuration before; what is wrong with it since is not what it is about. */
function ownText(config: Parameters<typeof ownConfigText>[0]): ConfigText | undefined {
  try {
    return ownConfigText(config);
  } catch (error) {
    if (error instanceof VfioHookError) return undefined;
    throw error;
  }
}

function ownFile(tree: TrustedTree, guest: GuestKey): Buffer | undefined {
  const domains = listTrustedDirectory(tree, 'domains') ?? [];
  return onlyOne(tree, guestFiles(domains, guest), 'domains/', `guest ${quoteName(guest.name)}`);
}

function read(tree: TrustedTree, path: Buffer | undefined): ConfigText | undefined {
  const text = path && readTrustedFile(tree, path);
  return path && text !== undefined ? { text, path: `${tree.root}/${path.toString()}` } : undefined;
}

/** The path of the only file, relative to the configuration directory; undefined when there is none. */
function onlyOne(
  tree: TrustedTree,
  names: readonly Uint8Array[],
  prefix: string,
  what: string,
): Buffer | undefined {
  const [first, second] = names.map((name) => Buffer.concat([Buffer.from(prefix), name]));
  if (first === undefined || second === undefined) return first;
  const paths = names.map((name) => shownPath(`${tree.root}/${prefix}${Buffer.from(name).toString()}`));
  throw new VfioHookError('VH_CONFIG', `cannot choose a configuration for ${what}: ${paths.join(' and ')}`, {
    hints: [advice('keep one of the files')],
  });
}
