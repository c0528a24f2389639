import type { ConfigScope, PartialConfig } from '../config/config.ts';
import type * as decode from '../config/decode.ts';
import { configEndings, defaultsFiles } from '../config/guest-file.ts';
import { VfioHookError } from '../errors.ts';
import { advice, type Hint } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { shownPath } from '../text.ts';
import { ownerRemarks, type ConfiguredGuest } from './config-owner.ts';
import { resourceRemarks } from './config-resources.ts';
import { ruleRemarks } from './config-rules.ts';
import { listTrustedDirectory, readTrustedFile, type TrustedTree } from './trusted-file.ts';

/** One thing about a configuration file. */
export interface Remark {
  /** A problem keeps guests from starting; a warning does not. */
  readonly severity: 'problem' | 'warning';
  readonly line?: number;
  readonly text: string;
  /** What to do about it. */
  readonly hints: readonly Hint[];
  /** Why it could not be looked at, by name, where that is all. */
  readonly errno?: string;
}

/** A configuration file or directory, and what is to be said about it. */
export interface InspectedConfig {
  readonly path: string;
  /** What it says; absent when it cannot be used, and for what is never read. */
  readonly config?: PartialConfig;
  readonly remarks: readonly Remark[];
}

/** What configuration files are held against. */
export interface InspectOptions {
  readonly configDir: string;
  readonly trustedUid: number;
  readonly decoder: () => Pick<typeof decode, 'examineConfigFile' | 'lineIn'>;
  /** Has the devices that rules are for. */
  readonly host: Host;
  /** The guests that libvirt knows; undefined when that cannot be found out. */
  readonly guests: readonly ConfiguredGuest[] | undefined;
}

/**
 * Every file of the configuration directory, in the order in which they hold, each for itself: a broken one does not
 * hide the others. What a start would refuse is a problem; what has no effect is a warning.
 */
export function inspectConfigs(options: InspectOptions): InspectedConfig[] {
  const { configDir: root, trustedUid } = options;
  const tree: TrustedTree = { root, trustedUid, code: 'VH_CONFIG', what: 'configuration' };
  const top = listed(tree, '');
  if ('remarks' in top) return [top];
  const defaults = defaultsFiles(top.names);
  const domains = listed(tree, 'domains');
  return [
    ...ambiguous(tree, defaults),
    ...defaults.map((name) => inspectTrusted(tree, Buffer.from(name), options, 'all')),
    ...('remarks' in domains ? [domains] : ownFiles(tree, domains.names, options)),
  ];
}

/** The files of guests; their names are those of the entries in `domains`. */
function ownFiles(tree: TrustedTree, names: readonly Buffer[], options: InspectOptions): InspectedConfig[] {
  return names.map((name) => {
    const path = Buffer.concat([Buffer.from('domains/'), name]);
    if (!configEndings.some((ending) => name.toString('latin1').endsWith(ending))) return unread(tree, path);
    const inspected = inspectTrusted(tree, path, options, 'guest');
    const remarks = ownerRemarks({ name, path: inspected.path, all: names, guests: options.guests });
    return { ...inspected, remarks: [...inspected.remarks, ...remarks] };
  });
}

/** A text that is no file of the directory, or not yet: a guest's, or with another scope that of all. */
export function inspectConfigText(
  text: string,
  path: string,
  options: InspectOptions & { readonly scope?: ConfigScope },
): InspectedConfig {
  const { examineConfigFile, lineIn } = options.decoder();
  const examined = examineConfigFile(text, path, options.scope);
  if (examined.kind === 'broken') {
    return {
      path,
      remarks: examined.findings.map((finding) => ({ severity: 'problem', ...finding, hints: [] })),
    };
  }
  const { config } = examined;
  const ofRules = ruleRemarks(config.devices ?? [], options.host).map(({ rule, key, ...remark }) => ({
    ...remark,
    line: lineIn(text, ['devices', rule, key]),
  }));
  const ofResources = resourceRemarks(config, options.host).map(({ path: at, ...remark }) => ({
    ...remark,
    line: lineIn(text, at),
  }));
  return { path, config, remarks: [...ofRules, ...ofResources] };
}

/** Names in a directory, or what is to be said about one that is not to be trusted. */
function listed(tree: TrustedTree, path: string): { readonly names: readonly Buffer[] } | InspectedConfig {
  try {
    return { names: listTrustedDirectory(tree, path) ?? [] };
  } catch (error) {
    return { path: path === '' ? tree.root : `${tree.root}/${path}`, remarks: [remarkOf(error)] };
  }
}

function inspectTrusted(
  tree: TrustedTree,
  path: Buffer,
  options: InspectOptions,
  scope: ConfigScope,
): InspectedConfig {
  const shown = `${tree.root}/${path.toString()}`;
  try {
    return inspectConfigText(readTrustedFile(tree, path) ?? '', shown, { ...options, scope });
  } catch (error) {
    return { path: shown, remarks: [remarkOf(error)] };
  }
}

/** Trust problems come as errors; their sentence names the path. */
function remarkOf(error: unknown): Remark {
  if (!(error instanceof VfioHookError)) throw error;
  const { message, hints, errno } = error;
  return { severity: 'problem', text: message, hints, ...(errno !== undefined && { errno }) };
}

/** Backups of editors and the like. */
function unread(tree: TrustedTree, path: Buffer): InspectedConfig {
  const text = `it is never read: its name ends in none of ${configEndings.join(', ')}`;
  return {
    path: `${tree.root}/${path.toString()}`,
    remarks: [{ severity: 'warning', text, hints: [advice('rename it, or move it away')] }],
  };
}

function ambiguous(tree: TrustedTree, names: readonly Uint8Array[]): InspectedConfig[] {
  if (names.length < 2) return [];
  const paths = names.map((name) => shownPath(Buffer.from(name).toString())).join(' and ');
  const text = `cannot choose the defaults of all guests: ${paths}`;
  return [{ path: tree.root, remarks: [{ severity: 'problem', text, hints: [advice('keep one of them')] }] }];
}
