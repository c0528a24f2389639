import { byKey, itself, stays, type Recogniser, type Verdict } from '../verdict.ts';

const BACK = 'it is put back by itself to what it was, once no other guest wants it';

/** How fast the cores run. */
export const frequency: Recogniser = ({ name, args, write, phase }) => {
  const path = write?.path ?? '';
  const isGovernor = path.endsWith('/scaling_governor');
  const asked =
    name === 'cpupower' && args.includes('frequency-set')
      ? args[args.findIndex((arg) => arg === '-g' || arg === '--governor') + 1]
      : isGovernor
        ? write?.value
        : undefined;
  if (name === 'cpupower' || isGovernor) {
    if (phase === 'end') return itself(BACK);
    return asked === undefined || !/^[a-z]+$/.test(asked)
      ? stays('which governor it is cannot be told without running it')
      : byKey({ key: 'governor', governor: asked });
  }
  if (path.endsWith('/energy_performance_preference')) {
    if (phase === 'end') return itself(BACK);
    return write?.value === 'performance' ? byKey({ key: 'governor', governor: 'performance' }) : undefined;
  }
  return undefined;
};

/** Huge pages, and room for them. */
export const hugepages: Recogniser = ({ name, args, write, phase }): Verdict | undefined => {
  const path = write?.path ?? '';
  if (/\/proc\/sys\/vm\/(?:compact_memory|drop_caches)$/.test(path) || /\/node\d+\/compact$/.test(path)) {
    return itself('memory is moved together by itself where huge pages need it');
  }
  const setting =
    name === 'sysctl' ? args.find((arg) => (arg ?? '').startsWith('vm.nr_hugepages=')) : undefined;
  const pool = /(?:\/node(\d+))?\/hugepages\/hugepages-(\d+)kB\/nr_hugepages$/.exec(path);
  const isDefault = path.endsWith('/proc/sys/vm/nr_hugepages');
  if (setting === undefined && !pool && !isDefault) {
    const isUnclear = name === 'sysctl' && args.includes(undefined);
    return isUnclear ? stays('what it sets cannot be told without running it') : undefined;
  }
  if (phase === 'end') return itself(BACK);
  const text = setting?.slice('vm.nr_hugepages='.length) ?? write?.value;
  const count = text !== undefined && /^\d+$/.test(text) ? Number(text) : 'auto';
  if (count === 0) return itself(BACK);
  return byKey({
    key: 'hugepages',
    sizeKb: pool?.[2] === undefined ? 2048 : Number(pool[2]),
    count,
    ...(pool?.[1] !== undefined && { node: Number(pool[1]) }),
  });
};

/** Keeps the host off the cores of the guest. */
export const cpus: Recogniser = ({ name, args, write }) => {
  const isSlices =
    name === 'systemctl' &&
    args.includes('set-property') &&
    args.some((arg) => (arg ?? '').startsWith('AllowedCPUs=') || arg === undefined);
  const isShield =
    (name === 'cset' && args.some((arg) => arg === 'shield' || arg === 'set' || arg === 'proc')) ||
    name === 'vfio-isolate';
  const isGroup = /\/cpuset(?:\.cpus|\/)|\/cpuset\.cpus$/.test(write?.path ?? '');
  return isSlices || isShield || isGroup ? byKey({ key: 'cpus' }) : undefined;
};
