import { contention } from './contention.ts';
import { locks } from './locks.ts';
import { crashes, crashPairs } from './crash.ts';
import { laneCrashes } from './crash-lanes.ts';
import { diskFaults, logFaults } from './disk-faults.ts';
import { faults } from './faults.ts';
import { hostileClaims, hostileConfigurations } from './hostile-files.ts';
import { hostileNames } from './hostile-names.ts';
import { hostileSize } from './hostile-size.ts';
import { hostileXml } from './hostile-xml.ts';
import { killedHook } from './killed-hook.ts';
import { readFaults } from './read-faults.ts';
import type { Sweep } from './sweep.ts';
import { tornClaims } from './torn-claims.ts';

/** Every sweep, in the order of the table. */
export const sweeps: readonly Sweep[] = [
  crashes,
  crashPairs,
  laneCrashes,
  killedHook,
  tornClaims,
  faults,
  readFaults,
  diskFaults,
  logFaults,
  contention,
  locks,
  hostileXml,
  hostileNames,
  hostileConfigurations,
  hostileClaims,
  hostileSize,
];
