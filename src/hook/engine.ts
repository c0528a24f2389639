import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigEditor } from '../config/config.ts';
import { openClaimStore } from '../engine/claim-store.ts';
import { configHints, hasOwnConfig, loadConfig, type ConfigText } from '../engine/config-file.ts';
import type { Engine } from '../engine/engine.ts';
import { flockBeside } from '../engine/flock.ts';
import { keptConfigs } from '../engine/kept-config.ts';
import type { Host } from '../host/host.ts';
import type { SideShell } from '../host/linux/side-shell.ts';
import { fileSink, type Sink } from '../log/file.ts';
import { hasJournal, journalSink } from '../log/journal.ts';
import { hookLog, type HookLog } from '../log/quiet.ts';
import { sysfs } from '../pci/sysfs.ts';
import { LIBVIRT } from '../distribution.ts';
import { SCRIPT_TREE } from '../script-places.ts';
import { findBetween, type ScriptTree } from './script-tree.ts';

/** Where a run keeps and finds what is not the kernel's. */
export interface Locations {
  /** Claims and locks. */
  readonly stateDirectory: string;
  readonly configDirectory: string;
  /** The log, where no journal takes it. */
  readonly logFile: string;
  /** Whether lines go to the journal when there is one. */
  readonly journal: boolean;
  /** Owner of everything that is trusted. */
  readonly trustedUid: number;
  /** The scripts of guests; undefined where another hook runs them. */
  readonly scripts: ScriptTree | undefined;
  /** The same tree, for the scripts that are for this program alone. */
  readonly between: ScriptTree;
}

/** Where libvirt calls a hook whose scripts lie in `qemu.d` beside it. */
const HOOK = `${LIBVIRT}/hooks/qemu`;
/** What install.sh makes where it has kept an earlier hook: that one, which may have run the scripts, goes on with it. */
const KEPT = `${SCRIPT_TREE}/00-kept-by-vfio-hook`;
const REAL_TREE: ScriptTree = { directory: SCRIPT_TREE, uid: 0 };

/**
 * The places on a real host, or those of a simulated machine: all below its directory. `called` is the path by which
 * libvirt calls the hook: as one of several in `qemu.d` it runs no scripts.
 */
export function locations(machine: string | undefined, called = ''): Locations {
  if (machine === undefined) {
    return {
      stateDirectory: '/run/vfio-hook',
      configDirectory: '/etc/vfio-hook',
      logFile: '/var/log/libvirt/vfio-hook.log',
      journal: true,
      trustedUid: 0,
      scripts: called === HOOK && !existsSync(KEPT) ? REAL_TREE : undefined,
      between: REAL_TREE,
    };
  }
  const uid = process.geteuid?.() ?? 0;
  const tree = { directory: join(machine, 'qemu.d'), uid, granted: machine };
  return {
    stateDirectory: join(machine, 'run'),
    configDirectory: join(machine, 'etc'),
    logFile: join(machine, 'vfio-hook.log'),
    journal: false,
    trustedUid: uid,
    scripts: tree,
    between: tree,
  };
}

/** install.sh --uninstall removes this file under the locks of all groups. */
function isInstalled(): boolean {
  const [, program] = process.argv;
  return program === undefined || existsSync(program);
}

/** What an engine is opened with. */
export interface EngineOptions {
  readonly where: Locations;
  readonly host: () => Host;
  readonly decoder: () => ConfigEditor;
  /** The build whose decoded configurations are kept for the next run (src/parts.ts); absent: none is. */
  readonly build?: string;
  /** Stands in for the configuration file of a guest. */
  readonly config?: ConfigText;
  readonly interrupted: () => string | undefined;
  /** What the launcher has started beside this process. */
  readonly beside?: Beside;
}

/** Processes that the launcher has started beside Node. */
export interface Beside {
  readonly shell?: SideShell | undefined;
  /** Lines for the journal. */
  readonly logger?: Sink | undefined;
}

/** The engine of a hook call, opened when it is first needed, and the place its log lines go to. */
export function openEngine(options: EngineOptions): {
  readonly open: () => Engine & { readonly log: HookLog };
  readonly sink: Sink;
} {
  const { where, interrupted, beside, build } = options;
  const { stateDirectory, configDirectory: configDir, trustedUid } = where;
  const clock = (): Date => new Date();
  const sink =
    where.journal && hasJournal() ? (beside?.logger ?? journalSink()) : fileSink(where.logFile, clock);
  const source = {
    configDir,
    trustedUid,
    decoder: options.decoder,
    ...(options.config && { instead: options.config }),
  };
  const kept =
    build === undefined ? undefined : keptConfigs({ stateDirectory, configDir, trustedUid, build });
  return {
    sink,
    open: () => {
      const host = options.host();
      const bootId = (host.read(sysfs.bootId) ?? '').trim();
      return {
        host,
        bootId,
        clock,
        interrupted,
        isInstalled,
        log: hookLog(sink),
        stateDirectory,
        trustedUid,
        ...(beside?.shell && { takeLock: flockBeside(beside.shell) }),
        store: openClaimStore({ stateDirectory, trustedUid, bootId }),
        loadConfig: (guest) => loadConfig({ ...source, guest, ...(kept && { kept }) }),
        hasOwnConfig: (guest) => hasOwnConfig({ ...source, guest }, guest),
        findScript: (guest, name) => findBetween(where.between, guest, name),
        placeRules: (guest, rules, purpose) => configHints({ ...source, guest }, rules, purpose),
      };
    },
  };
}
