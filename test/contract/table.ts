import type { Row } from './contract.ts';
import { bindingRows } from './rows-binding.ts';
import { blockedRows } from './rows-blocked.ts';
import { deviceRows } from './rows-devices.ts';
import { functionRows } from './rows-functions.ts';
import { memoryRows } from './rows-memory.ts';
import { overrideRows } from './rows-override.ts';
import { powerRows } from './rows-power.ts';
import { resourceRows } from './rows-resources.ts';
import { userRows } from './rows-users.ts';
import { vfioRows } from './rows-vfio.ts';

/** The whole contract. */
export const table: readonly Row[] = [
  ...overrideRows,
  ...bindingRows,
  ...blockedRows,
  ...vfioRows,
  ...deviceRows,
  ...powerRows,
  ...resourceRows,
  ...memoryRows,
  ...functionRows,
  ...userRows,
];
