import type { Command } from '../command.ts';
import { detach } from './detach.ts';
import { devices } from './devices.ts';
import { doctor } from './doctor.ts';
import { groups } from './groups.ts';
import { hostdevs } from './hostdevs.ts';
import { importScripts } from './import-scripts.ts';
import { init } from './init.ts';
import { lint } from './lint.ts';
import { log } from './log.ts';
import { map } from './map.ts';
import { mdev } from './mdev.ts';
import { plan } from './plan.ts';
import { reattach } from './reattach.ts';
import { recover } from './recover.ts';
import { run } from './run.ts';
import { set, unset } from './set.ts';
import { simulate } from './simulate.ts';
import { sriov } from './sriov.ts';
import { snapshot } from './snapshot.ts';
import { status } from './status.ts';
import { validate } from './validate.ts';
import { vgpu } from './vgpu.ts';

/** Every sub-command, in the order of the help. */
export const commands: readonly Command[] = [
  groups,
  map,
  sriov,
  mdev,
  vgpu,
  plan,
  status,
  log,
  recover,
  detach,
  reattach,
  run,
  devices,
  doctor,
  lint,
  hostdevs,
  init,
  set,
  unset,
  importScripts,
  validate,
  snapshot,
  simulate,
];
