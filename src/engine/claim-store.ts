import { advice } from '../hint.ts';
import { join } from 'node:path';
import { isIntact, withChecksum } from '../claim/checksum.ts';
import type { Claim, ClaimOwner } from '../claim/claim.ts';
import { claimKey, ownerPhrase } from '../claim/owner.ts';
import { decodeClaim, encodeClaim } from '../claim/decode.ts';
import { VfioHookError } from '../errors.ts';
import { makePrivateDirectory, removeFile, replaceFile } from './durable.ts';
import { lockFile, type HeldLocks } from './lock-name.ts';
import { listTrustedDirectory, readTrustedFile, type TrustedTree } from './trusted-file.ts';

/** What is on disk. */
export interface StoredClaims {
  /** Claims of this boot, in order of file name. */
  readonly claims: readonly Claim[];
  /** Files that cannot be trusted or read as a claim. They are kept for a person to look at. */
  readonly damaged: readonly DamagedClaim[];
  /** Whose claims are from an earlier boot: what they record died with that kernel. */
  readonly outdated: readonly ClaimOwner[];
}

/** A claim file that is no claim. */
export interface DamagedClaim {
  readonly path: string;
  readonly reason: string;
}

/**
 * The claims in `<stateDirectory>/claims`, one file for each claim's key (src/claim/owner.ts).
 *
 * - A claim is written and removed under its own lock (src/engine/lock.ts), and what is read under it stays so. Whoever
 *   comes without has a fault of this program for an answer.
 * - A file is replaced whole or not at all.
 */
export interface ClaimStore {
  readonly directory: string;
  all(): StoredClaims;
  /** What is on disk under one key: one entry, or none. */
  one(key: string): StoredClaims;
  write(claim: Claim, by: HeldLocks): void;
  remove(key: string, by: HeldLocks): void;
}

/** Where the store is and whom it trusts. */
export interface ClaimStoreOptions {
  readonly stateDirectory: string;
  readonly trustedUid: number;
  readonly bootId: string;
}

/** Opens the store. The directory is made at the first write, so that a host without guests has none. */
export function openClaimStore({ stateDirectory, trustedUid, bootId }: ClaimStoreOptions): ClaimStore {
  const directory = join(stateDirectory, 'claims');
  const tree: TrustedTree = { root: directory, trustedUid, code: 'VH_CLAIM', what: 'claim' };
  const file = (key: string): string => join(directory, fileName(key));
  return {
    directory,
    all: () => readClaims(tree, bootId, claimFiles(tree)),
    one: (key) => readClaims(tree, bootId, [fileName(key)]),
    write: (claim, by) => {
      const key = claimKey(claim.owner);
      refuseUnlocked(key, by);
      const path = file(key);
      const text = withChecksum(readable(encodeClaim(claim), path));
      makePrivateDirectory(stateDirectory, trustedUid);
      makePrivateDirectory(directory, trustedUid);
      replaceFile(path, text);
    },
    remove: (key, by) => {
      refuseUnlocked(key, by);
      removeFile(file(key));
    },
  };
}

/**
 * Refuses to go on while a claim cannot be read: which devices it holds, and what they were like, is unknown,
 * and a guess could be taken for the original state. Throws VH_CLAIM.
 */
export function refuseDamaged(stored: StoredClaims): void {
  const [first] = stored.damaged;
  if (!first) return;
  throw new VfioHookError('VH_CLAIM', `the claim ${first.path} cannot be trusted: ${first.reason}`, {
    path: first.path,
    hints: [advice('nothing was changed; look at the file, put its devices back by hand, then remove it')],
  });
}

function refuseUnlocked(key: string, by: HeldLocks): void {
  if (by.holds({ claim: key })) return;
  throw new Error(`a claim is changed by a run that does not have ${lockFile({ claim: key })}`);
}

/** A claim that could not be read back would be found out when it is needed: after the host was changed. */
function readable(text: string, path: string): string {
  const decoded = decodeClaim(text);
  if ('claim' in decoded) return text;
  throw new VfioHookError('VH_CLAIM', `cannot write ${path}: it could not be read back: ${decoded.reason}`, {
    path,
    hints: [advice('nothing was changed; this is a fault of vfio-hook, please report it')],
  });
}

function readClaims(tree: TrustedTree, bootId: string, names: readonly string[]): StoredClaims {
  const claims: Claim[] = [];
  const damaged: DamagedClaim[] = [];
  const outdated: ClaimOwner[] = [];
  for (const name of names) {
    const path = join(tree.root, name);
    const read = readOne(tree, name);
    if (!read) continue;
    if ('reason' in read) damaged.push({ path, reason: read.reason });
    else if (fileName(claimKey(read.claim.owner)) !== name) {
      damaged.push({ path, reason: `it is the claim of ${whose(read.claim)}` });
    } else if (read.claim.bootId !== bootId) outdated.push(read.claim.owner);
    else claims.push(read.claim);
  }
  return { claims, damaged, outdated };
}

function fileName(key: string): string {
  return `${key}.json`;
}

/** Several guests may have had one name in turn, so that a guest is named by its UUID. */
function whose({ owner }: Claim): string {
  return owner.kind === 'guest' ? `guest ${owner.uuid}` : ownerPhrase(owner);
}

/** Undefined when the file went away since the directory was read: another guest's release. */
function readOne(tree: TrustedTree, name: string): ReturnType<typeof decodeClaim> | undefined {
  try {
    const text = readTrustedFile(tree, name);
    if (text === undefined) return undefined;
    const decoded = decodeClaim(text);
    if ('reason' in decoded || isIntact(text)) return decoded;
    return { reason: 'its checksum is wrong: it was damaged or edited since it was written' };
  } catch (error) {
    if (error instanceof VfioHookError) return { reason: error.message };
    throw error;
  }
}

/** Names that start with a dot are unfinished replacements of a run that died: the old file is still whole. */
function claimFiles(tree: TrustedTree): string[] {
  return (listTrustedDirectory(tree) ?? []).map(String).filter((name) => !name.startsWith('.'));
}
