import assert from 'node:assert/strict';

import type { LabCase } from '../guest/case.ts';
import { must } from '../guest/execute.ts';
import { stateOf } from '../guest/systemd.ts';

export const desktopCases: readonly LabCase[] = [
  {
    name: 'systemd is process 1, and the recover unit is enabled',
    async run() {
      assert.equal((await must('systemctl', ['is-enabled', 'vfio-hook-recover.service'])).trim(), 'enabled');
      assert.equal(await stateOf({ name: 'user@1000.service' }), 'active');
    },
  },
];
