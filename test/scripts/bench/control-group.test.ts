import assert from 'node:assert/strict';
import { mountPointOf } from '../../../scripts/bench/control-group.ts';

const MOUNTINFO = `22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:9 master:1 - cgroup cgroup rw,cpu
31 22 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`;

describe('the control group of a measured call', () => {
  it('is looked for where version 2 is mounted', () => {
    assert.equal(mountPointOf('cgroup2', MOUNTINFO), '/sys/fs/cgroup/unified');
  });

  it('is not to be had where only version 1 is', () => {
    assert.equal(mountPointOf('cgroup2', MOUNTINFO.split('\n').slice(0, 2).join('\n')), undefined);
  });
});
