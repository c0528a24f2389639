import { advice, type Hint } from '../hint.ts';
import { basename, dirname, join, resolve } from 'node:path';
import { configEndings, defaultsFiles, guestFiles, type GuestKey } from '../config/guest-file.ts';
import { nearestWord } from '../config/nearest.ts';
import type { PartialConfig } from '../config/config.ts';
import { formatDeviceMatch, matchesDevice } from '../config/match.ts';
import { listTrustedDirectory, readTrustedFile, type TrustedTree } from '../engine/trusted-file.ts';
import { VfioHookError } from '../errors.ts';
import type { Locations } from '../hook/engine.ts';
import type { PartExports } from '../parts.ts';
import type { PciDevice } from '../pci/device.ts';
import { barChanges } from '../plan/bars.ts';
import { quoteName, shownPath } from '../text.ts';
import { readOperand } from './operand.ts';

/** One thing about a configuration file. */
export interface Remark {
  /** A problem keeps guests from starting; a warning does not. */
  readonly severity: 'problem' | 'warning';
  readonly line?: number;
  readonly text: string;
  /** What to do about it. */
  readonly hints: readonly Hint[];
}

/** A configuration file, and what is to be said about it. */
export interface CheckedFile {
  readonly path: string;
  readonly remarks: readonly Remark[];
}

/** What files are checked against. */
export interface CheckOptions {
  readonly where: Locations;
  readonly decoder: PartExports['config.cjs'];
  /** The devices of this host. */
  readonly devices: readonly PciDevice[];
  /** The guests that libvirt knows; undefined when that cannot be found out. */
  readonly guests: readonly GuestKey[] | undefined;
}

/** Every file of the configuration directory, in the order in which they hold. */
export function checkAll(options: CheckOptions): CheckedFile[] {
  const tree = treeOf(options.where);
  const top = listed(tree, '');
  const domains = listed(tree, 'domains');
  return [
    ...top.remarks,
    ...ambiguous(tree, defaultsFiles(top.names)),
    ...defaultsFiles(top.names).map((name) => checkTrusted(tree, Buffer.from(name), options)),
    ...domains.remarks,
    ...domains.names.map((name) => {
      const path = Buffer.concat([Buffer.from('domains/'), name]);
      const ending = configEndings.some((each) => name.toString('latin1').endsWith(each));
      const file = ending ? checkTrusted(tree, path, options) : unread(tree, path);
      const owner = ending ? [...ownerRemarks(name, options), ...rivals(name, domains.names, options)] : [];
      return { ...file, remarks: [...file.remarks, ...owner] };
    }),
  ];
}

/** One file, wherever it is. In the configuration directory it must be trusted, too. */
export function checkOne(file: string, options: CheckOptions): CheckedFile {
  const tree = treeOf(options.where);
  const path = resolve(file);
  if (dirname(path) === join(tree.root, 'domains')) {
    const all = checkAll(options).find((each) => each.path === path);
    if (all) return all;
  }
  if (dirname(path) === tree.root) return checkTrusted(tree, Buffer.from(basename(path)), options);
  return { path: file, remarks: checkText(readOperand(file), file, options) };
}

function treeOf({ configDirectory, trustedUid }: Locations): TrustedTree {
  return { root: configDirectory, trustedUid, code: 'VH_CONFIG', what: 'configuration' };
}

function listed(
  tree: TrustedTree,
  path: string,
): { readonly names: readonly Buffer[]; readonly remarks: readonly CheckedFile[] } {
  try {
    return { names: listTrustedDirectory(tree, path) ?? [], remarks: [] };
  } catch (error) {
    return { names: [], remarks: [{ path: join(tree.root, path), remarks: [remarkOf(error)] }] };
  }
}

function checkTrusted(tree: TrustedTree, path: Buffer, options: CheckOptions): CheckedFile {
  const shown = `${tree.root}/${path.toString()}`;
  try {
    return { path: shown, remarks: checkText(readTrustedFile(tree, path) ?? '', shown, options) };
  } catch (error) {
    return { path: shown, remarks: [remarkOf(error)] };
  }
}

/** Trust problems come as errors; their sentence names the path. */
function remarkOf(error: unknown): Remark {
  if (!(error instanceof VfioHookError)) throw error;
  return { severity: 'problem', text: error.message, hints: error.hints };
}

function checkText(text: string, path: string, options: CheckOptions): Remark[] {
  const examined = options.decoder.examineConfigFile(text, path);
  if (examined.kind === 'broken') {
    return examined.findings.map((finding) => ({ severity: 'problem', ...finding, hints: [] }));
  }
  return ruleRemarks(examined.config, options).map(({ rule, ...remark }) => ({
    ...remark,
    line: options.decoder.lineIn(text, ['devices', rule, 'match']),
  }));
}

function ruleRemarks(
  { devices: rules = [] }: PartialConfig,
  { devices }: CheckOptions,
): (Remark & { readonly rule: number })[] {
  return rules.flatMap(({ match, bars }, rule) => {
    const matched = devices.filter((device) => matchesDevice(match, device));
    if (matched.length === 0) {
      const text = `no device of this host matches ${formatDeviceMatch(match)}: the rule has no effect`;
      return [{ severity: 'warning' as const, rule, text, hints: [] }];
    }
    const wished = [...bars].map(([bar, size]) => ({ bar, size }));
    return matched.flatMap((device) => {
      const changes = barChanges(device, wished);
      if (changes.kind === 'changes') return [];
      return [
        {
          severity: 'warning' as const,
          rule,
          text: `${changes.reason}: a guest with it cannot start`,
          hints: [changes.hint],
        },
      ];
    });
  });
}

/** Backups of editors and the like. */
function unread(tree: TrustedTree, path: Buffer): CheckedFile {
  const text = `it is never read: its name ends in none of ${configEndings.join(', ')}`;
  return {
    path: `${tree.root}/${path.toString()}`,
    remarks: [{ severity: 'warning', text, hints: [] }],
  };
}

function ownerRemarks(name: Buffer, { guests }: CheckOptions): Remark[] {
  if (guests === undefined || guests.some((guest) => guestFiles([name], guest).length > 0)) return [];
  const base = name.toString().replace(/\.\w+$/, '');
  const meant = nearestWord(
    base,
    guests.map((guest) => guest.name),
  );
  return [
    {
      severity: 'warning',
      text: `libvirt knows no guest ${quoteName(base)}: the file has no effect`,
      hints: meant === undefined ? [] : [advice(`did you mean ${quoteName(meant)}?`)],
    },
  ];
}

/** Other files of the same guest: which one holds would be a guess. */
function rivals(name: Buffer, all: readonly Buffer[], { guests = [] }: CheckOptions): Remark[] {
  return guests.flatMap((guest) => {
    const files = guestFiles(all, guest).map((each) => Buffer.from(each));
    if (files.length < 2 || !files.some((each) => each.equals(name))) return [];
    const others = files.filter((each) => !each.equals(name)).map((each) => shownPath(each.toString()));
    return [
      {
        severity: 'problem' as const,
        text: `guest ${quoteName(guest.name)} has another file, too: ${others.join(', ')}`,
        hints: [advice('keep one of the files')],
      },
    ];
  });
}

function ambiguous(tree: TrustedTree, names: readonly Uint8Array[]): CheckedFile[] {
  if (names.length < 2) return [];
  const paths = names.map((name) => Buffer.from(name).toString()).join(' and ');
  return [
    {
      path: tree.root,
      remarks: [
        {
          severity: 'problem',
          text: `cannot choose the defaults of all guests: ${paths}`,
          hints: [advice('keep one of the files')],
        },
      ],
    },
  ];
}
