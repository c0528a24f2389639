import type { PartialConfig } from '../config/config.ts';
import { configEndings, defaultsFiles } from '../config/guest-file.ts';
import { VfioHookError } from '../errors.ts';
import type { ConfigSource } from './config-file.ts';
import { listTrustedDirectory, readTrustedFile, type TrustedTree } from './trusted-file.ts';

/** One file of the configuration, whoever it is for. */
export interface InspectedConfig {
  readonly path: string;
  /** The name of its entry in `domains`; absent for the defaults of all guests. */
  readonly entry?: Uint8Array;
  /** What it says, or why it cannot be used. */
  readonly content: { readonly config: PartialConfig } | { readonly problem: VfioHookError };
}

/**
 * Every file of the configuration, read and checked as a start would, but each for itself: a broken one does
 * not hide the others. Throws `VH_CONFIG` when one of the two directories cannot be trusted or looked into.
 */
export function inspectConfigs({
  configDir,
  trustedUid,
  decoder,
}: Omit<ConfigSource, 'guest'>): InspectedConfig[] {
  const tree: TrustedTree = { root: configDir, trustedUid, code: 'VH_CONFIG', what: 'configuration' };
  const defaults = defaultsFiles(listTrustedDirectory(tree) ?? []).map((name) => ({ name, prefix: '' }));
  const guests = (listTrustedDirectory(tree, 'domains') ?? [])
    .filter((name) => configEndings.some((ending) => name.toString().endsWith(ending)))
    .map((name) => ({ name, prefix: 'domains/' }));
  return [...defaults, ...guests].map(({ name, prefix }) => {
    const path = `${configDir}/${prefix}${Buffer.from(name).toString()}`;
    return {
      path,
      ...(prefix !== '' && { entry: name }),
      content: contentOf(tree, Buffer.concat([Buffer.from(prefix), name]), (text) =>
        decoder().decodeConfigFile(text, path),
      ),
    };
  });
}

function contentOf(
  tree: TrustedTree,
  name: Buffer,
  decode: (text: string) => PartialConfig,
): InspectedConfig['content'] {
  try {
    return { config: decode(readTrustedFile(tree, name) ?? '') };
  } catch (error) {
    if (error instanceof VfioHookError) return { problem: error };
    throw error;
  }
}
