import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { attempt } from '../attempt.ts';
import { isIntact, withChecksum } from '../claim/checksum.ts';
import type { ConfigScope, PartialConfig } from '../config/config.ts';
import { decodeKept, encodeKept, type Decoded } from '../config/kept.ts';
import type { ConfigText } from './config-file.ts';
import { makePrivateDirectory, replaceFile } from './durable.ts';
import { readTrustedFile, type TrustedTree } from './trusted-file.ts';

/**
 * Configuration files as they were decoded by an earlier run, in `<stateDirectory>/config`: reading the YAML again, with
 * the code that it takes, would cost as much as a bare Node. One file for each configuration file, which holds for its
 * very bytes and this very build alone.
 *
 * - It is read and written after the configuration file itself was read, whose owner and mode each run checks.
 * - One that is torn, old, somebody else's or writable by others is as good as none, without a word: the file is decoded.
 * - Nothing depends on its being there, so that what keeps it from being written (a full disk) keeps nobody from a start.
 */
export interface KeptConfigs {
  find(file: ConfigText, scope: ConfigScope): PartialConfig | undefined;
  keep(file: ConfigText, scope: ConfigScope, config: PartialConfig): void;
}

/** Where they are and whom they must belong to. */
export interface KeptConfigsOptions {
  readonly stateDirectory: string;
  readonly configDir: string;
  readonly trustedUid: number;
  /** The name of this build's directory of parts. */
  readonly build: string;
}

/** Characters of a configuration file beyond which it is decoded each time. */
const MOST_CHARACTERS = 64 * 1024;

/** Bytes of a name that a file system takes, less what a replacement adds to it. */
const LONGEST_NAME = 240;

/** Opens the directory, which is made when there is something to keep. */
export function keptConfigs({
  stateDirectory,
  configDir,
  trustedUid,
  build,
}: KeptConfigsOptions): KeptConfigs {
  const tree: TrustedTree = {
    root: stateDirectory,
    trustedUid,
    code: 'VH_CONFIG',
    what: 'kept configuration',
  };
  const directory = join(stateDirectory, DIRECTORY);
  const decodedFrom = ({ path, text }: ConfigText, scope: ConfigScope): Decoded => ({
    build,
    path,
    scope,
    text,
  });
  const nameOf = ({ path, text }: ConfigText): string | undefined => {
    const name = `${encodeURIComponent(path.slice(configDir.length + 1))}.json`;
    return text.length <= MOST_CHARACTERS && name.length <= LONGEST_NAME ? name : undefined;
  };
  return {
    find: (file, scope) =>
      attempt(() => {
        const name = nameOf(file);
        const kept = name === undefined ? undefined : readTrustedFile(tree, `${DIRECTORY}/${name}`);
        return kept !== undefined && isIntact(kept) ? decodeKept(kept, decodedFrom(file, scope)) : undefined;
      }),
    keep: (file, scope, config) => {
      attempt(() => {
        const name = nameOf(file);
        const from = decodedFrom(file, scope);
        const text = encodeKept(from, config);
        // A value that JSON does not give back as it was: then it is decoded each time.
        if (name === undefined || !isDeepStrictEqual(decodeKept(text, from), config)) return;
        makePrivateDirectory(stateDirectory, trustedUid);
        makePrivateDirectory(directory, trustedUid);
        replaceFile(join(directory, name), withChecksum(text));
      });
    },
  };
}

const DIRECTORY = 'config';
