import { command } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { readSlices, type SliceCpus } from '../observe/slices.ts';
import { commonCpus, cpuList, cpuWords, parseCpuList } from '../pci/cpu-list.ts';
import { allowArguments } from '../pci/slice.ts';
import { sysfs } from '../pci/sysfs.ts';
import { quoteName } from '../text.ts';
import { orMessage, outcomeOfRun, type StepDefinition } from './definition.ts';
import type { ConfineSlice } from './step.ts';

/**
 * `systemctl set-property --runtime`: systemd writes what was said into /run/systemd/system.control, so that it outlives a
 * daemon-reload and no boot, and confines the control group before it answers the next question (src/core/manager.c:manager_loop).
 */
export const slice: StepDefinition<ConfineSlice> = {
  describe: ({ key, to }) =>
    to === '' ? `let ${key} run on any CPU` : `let ${key} run on ${cpuWords(to)} only`,
  command: ({ key, to }) => ['systemctl', ...allowArguments(key, to)].join(' '),
  already: async ({ key, to }, host, deadlineMs) => {
    const now = await look(key, host, deadlineMs);
    return typeof now !== 'string' && now.allowed === to;
  },
  apply: async ({ key, to }, host, deadlineMs) => {
    const args = allowArguments(key, to);
    const result = await host.run('systemctl', args, deadlineMs);
    return outcomeOfRun(['systemctl', ...args], result, {
      said: ({ stderr }) => stderr,
      hints: [command(`systemctl status -- ${key}`)],
    });
  },
  verify: async ({ key, to }, host, deadlineMs) => {
    const now = await look(key, host, deadlineMs);
    if (typeof now === 'string') return now;
    if (now.allowed !== to) return `its AllowedCPUs= is ${quoteName(now.allowed)} afterwards`;
    // The kernel says nothing of a group that nobody confines.
    const most = to === '' ? rootCpus(host) : to;
    const isConfined = to === '' ? now.effective === most : commonCpus(now.effective, most) === now.effective;
    return now.effective === '' || most === '' || isConfined
      ? undefined
      : `the kernel lets it run on ${cpuWords(now.effective)}`;
  },
};

function look(key: ConfineSlice['key'], host: Host, deadlineMs: number): Promise<SliceCpus | string> {
  return orMessage(
    async () =>
      (await readSlices(host, [key], deadlineMs)).get(key) ?? `systemd says nothing of ${key} afterwards`,
  );
}

function rootCpus(host: Host): string {
  return cpuList(parseCpuList(host.read(sysfs.rootCpus) ?? '') ?? []);
}
