import type { Config, PlaceRules } from '../config/config.ts';
import type { GuestKey } from '../config/guest-file.ts';
import type { Host } from '../host/host.ts';
import type { Log } from '../log/log.ts';
import type { FoundScript } from '../plan/between.ts';
import type { ClaimStore } from './claim-store.ts';
import type { TakeLock } from './flock.ts';

/** Everything that the engine works with, handed in by whoever starts it: the hook or a command. */
export interface Engine {
  readonly host: Host;
  readonly store: ClaimStore;
  readonly log: Log;
  /** Directory of claims and locks: /run/vfio-hook. */
  readonly stateDirectory: string;
  /** How a lock is taken; absent: flock(2) on a file in the state directory. The protocol's model has locks of its own. */
  readonly takeLock?: TakeLock;
  /** Owner of everything that is trusted: 0 on a real host. */
  readonly trustedUid: number;
  readonly bootId: string;
  /** The time of day. */
  readonly clock: () => Date;
  /** What the configuration says for a guest; without one, for all guests. Throws VH_CONFIG. */
  readonly loadConfig: (guest?: GuestKey) => Config;
  /** Whether a guest has a configuration file of its own; absent: none has. */
  readonly hasOwnConfig?: (guest: GuestKey) => boolean;
  /** How rules get into the configuration of a guest; absent: as for one without a file of its own. */
  readonly placeRules?: PlaceRules;
  /** Looks for a script of a guest that is to run between the unbind and the bind of a device; absent: it is taken to be there. */
  readonly findScript?: (guest: string, name: string) => FoundScript;
  /** Runs such a script; absent: none runs. */
  readonly runScript?: Host['runScript'];
  /** Whether the program is still on this host; absent: it is. */
  readonly isInstalled?: () => boolean;
  /** Why the run is to stop before its next step, such as `SIGTERM`; undefined while it is not. */
  readonly interrupted: () => string | undefined;
}
