import type {
  CardRule,
  GuestCpus,
  DisplayRule,
  GuestHugepages,
  MdevRule,
  PartialConfig,
  VgpuRule,
} from '../config/config.ts';
import type { ValuePath } from '../config/problem.ts';
import { count } from '../count.ts';
import { advice, command, type Hint } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { hostCpuList } from '../observe/cpus.ts';
import { policiesOf, readPolicyList } from '../observe/frequency.ts';
import { hexAttribute } from '../observe/hex-attribute.ts';
import { readPoolPages } from '../observe/hugepages.ts';
import { confinesSlices } from '../observe/slices.ts';
import { hasUnitFile } from '../observe/units.ts';
import { vgpuFunction } from '../observe/vgpu.ts';
import { routingOf } from '../observe/virtual-functions.ts';
import { cpusOf, cpusWithout, cpuWords } from '../pci/cpu-list.ts';
import { isDisplay } from '../pci/class.ts';
import type { Governor } from '../pci/frequency.ts';
import { LATENCY_TEMPLATE } from '../pci/latency.ts';
import { AWAKE_UNIT } from '../pci/sleep.ts';
import { poolWords } from '../pci/hugepages.ts';
import { countOf } from '../pci/routing.ts';
import { sysfs } from '../pci/sysfs.ts';
import { choose } from '../resource/mdev/choose.ts';
import { mdevFacts } from '../resource/mdev/read-mdevs.ts';
import type { Remark } from './inspect-config.ts';

/** A remark about a value of the configuration. */
export interface ValueRemark extends Remark {
  readonly path: ValuePath;
}

/** What there is to say about huge pages, CPUs, governors, the screen, virtual functions, vGPUs and mediated devices on this host. */
export function resourceRemarks(
  { hugepages, cpus, governor, latency, sleep, display, sriov = [], vgpu = [], mdev = [] }: PartialConfig,
  host: Host,
): ValueRemark[] {
  return [
    ...(hugepages ? poolRemarks(hugepages, host) : []),
    ...(cpus ? cpuRemarks(cpus, host) : []),
    ...(governor ? governorRemarks(governor, host) : []),
    ...(latency === undefined ? [] : latencyRemarks(host)),
    ...(sleep === 'block' ? unitRemarks('sleep', AWAKE_UNIT, host) : []),
    ...(display ? displayRemarks(display, host) : []),
    ...sriov.flatMap((card, index) => cardRemarks(card, ['sriov', index], host)),
    ...(mdev.length > 0 ? mdevRemarks(mdev, host) : []),
    ...vgpu.flatMap((rule, index) => vgpuRemarks(rule, ['vgpu', index], host)),
  ];
}

function poolRemarks({ sizeKb, node }: GuestHugepages, host: Host): ValueRemark[] {
  const pool = { sizeKb, ...(node !== undefined && { node }) };
  if (readPoolPages(host, pool) !== undefined) return [];
  const text = `this host has no ${poolWords(pool)}: a guest with it cannot start`;
  return [warning(['hugepages'], text, command('ls /sys/devices/system/node/node*/hugepages'))];
}

function cpuRemarks({ isolate }: GuestCpus, host: Host): ValueRemark[] {
  if (!confinesSlices(host)) {
    const text =
      'systemd cannot keep the host off these CPUs here: that needs the unified hierarchy of control groups (cgroup v2): a guest with it cannot start';
    return [warning(['cpus'], text, advice('boot with systemd.unified_cgroup_hierarchy=1'))];
  }
  const all = hostCpuList(host, 'present');
  if (isolate === 'auto' || all === '') return [];
  const strange = cpusWithout(isolate, cpusOf(all));
  if (strange !== '') {
    const text = `this host has no ${cpuWords(strange)}, but ${cpuWords(all)}`;
    return [warning(['cpus', 'isolate'], text, command('lscpu --extended'))];
  }
  if (cpusWithout(hostCpuList(host, 'online'), cpusOf(isolate)) !== '') return [];
  const text = 'this leaves the host no CPU that is online: a guest with it cannot start';
  return [warning(['cpus', 'isolate'], text, advice('leave it at least one'))];
}

function governorRemarks(governor: Governor, host: Host): ValueRemark[] {
  const policies = policiesOf(host);
  if (policies.length === 0) {
    const text =
      'this host does not set the frequency of its CPUs, as in many virtual machines: this has no effect';
    return [warning(['governor'], text, command(`ls ${sysfs.frequencyPolicies}`))];
  }
  const offers = policies.map((policy) => readPolicyList(host, policy, 'scaling_available_governors'));
  const without = offers.find((offered) => !offered.includes(governor));
  if (!without) return [];
  const text = `this host offers no governor ${governor}, but ${without.join(', ')}: a guest with it cannot start`;
  return [
    warning(
      ['governor'],
      text,
      advice(`set governor to one of these, or load it if it is a module: modprobe cpufreq_${governor}`),
    ),
  ];
}

function latencyRemarks(host: Host): ValueRemark[] {
  if (host.status(sysfs.cpuLatency) === undefined) {
    const text = `this kernel cannot be told how soon CPUs shall wake, for want of ${sysfs.cpuLatency}: a guest with it cannot start`;
    return [warning(['latency'], text, advice('take it out of the configuration'))];
  }
  return unitRemarks('latency', LATENCY_TEMPLATE, host);
}

/** A unit of our own. */
function unitRemarks(key: 'latency' | 'sleep', unit: string, host: Host): ValueRemark[] {
  if (hasUnitFile(host, unit)) return [];
  const text = `systemd has no unit ${unit}: a guest with it cannot start`;
  return [warning([key], text, advice('it comes with this program: install that again'))];
}

function displayRemarks({ release }: DisplayRule, host: Host): ValueRemark[] {
  if (release === 'auto') return [];
  const what = hexAttribute(host, release, 'class');
  if (what !== undefined && isDisplay(what)) return [];
  const text =
    what === undefined
      ? `there is no ${release} on this host: a guest with it cannot start`
      : `${release} is no graphics card: the screen of the host is not on it`;
  return [warning(['display', 'release'], text, advice('write auto, or the address of the card: lspci -D'))];
}

function cardRemarks({ pf, vfs = 0, functions = [] }: CardRule, path: ValuePath, host: Host): ValueRemark[] {
  if (host.read(sysfs.attribute(pf, 'vendor')) === undefined) {
    const text = `there is no ${pf} on this host: this has no effect`;
    return [warning([...path, 'pf'], text, advice('compare with: lspci -nn'))];
  }
  const total = Number(host.read(sysfs.attribute(pf, 'sriov_totalvfs')) ?? 0);
  if (routingOf(host, pf)?.byProgram && vfs !== 'all' && vfs !== total && total > 0) {
    const found = `${pf} has all of its ${count(total, 'virtual function')} or none: a guest that is assigned one cannot start`;
    return [warning([...path, 'vfs'], found, advice('write vfs: all'))];
  }
  const wanted = countOf(vfs, { offset: 0, stride: 0, total });
  const beyond = functions.findIndex(({ vf }) => vf >= (wanted || total));
  if (total >= wanted && total > 0 && beyond >= 0) {
    const text = `${pf} has no virtual function ${functions[beyond]?.vf ?? 0}: they are counted from 0, and it is to have ${wanted || total}`;
    return [warning([...path, 'functions', beyond, 'vf'], text, advice('this has no effect'))];
  }
  if (total >= wanted && total > 0) return [];
  const text = `${pf} can have ${count(total, 'virtual function')}: a guest that is assigned one cannot start`;
  const fix =
    total === 0
      ? advice('it may be off in the firmware setup: SR-IOV')
      : advice(`set vfs to ${total} or less`);
  return [warning([...path, total === 0 ? 'pf' : 'vfs'], text, fix)];
}

/** As a start would choose, were nobody to have any. */
function mdevRemarks(rules: readonly MdevRule[], host: Host): ValueRemark[] {
  const seen = mdevFacts(host);
  const parents = seen.parents.map((parent) => ({
    ...parent,
    types: parent.types.map((type) => ({ ...type, available: Math.max(1, type.available) })),
  }));
  return rules.flatMap(({ parent, type }, index): ValueRemark[] => {
    const wish = { parent, type, attributes: '[]', api: '' };
    const chosen = choose(wish, { ...seen, parents, open: '' }, []);
    if ('wish' in chosen) return [];
    const { reason, hints } = chosen.refusal;
    const text = `${reason}: a guest with it cannot start`;
    return [{ path: ['mdev', index, 'type'], severity: 'warning', text, hints }];
  });
}

/** Of a function that is not there nothing can be said: it may be one that is made for a guest. */
function vgpuRemarks({ vf, pf }: VgpuRule, path: ValuePath, host: Host): ValueRemark[] {
  if (vf === 'auto') {
    if (pf === undefined || routingOf(host, pf)) return [];
    const text = `${pf} makes no virtual functions: this has no effect`;
    return [warning([...path, 'pf'], text, command('vfio-hook vgpu'))];
  }
  const isThere = host.read(sysfs.attribute(vf, 'vendor')) !== undefined;
  if (!isThere || vgpuFunction(host, vf)) return [];
  const text = `${vf} is no virtual function that stays on NVIDIA's driver: a guest with it cannot start`;
  return [warning([...path, 'vf'], text, command('vfio-hook vgpu'))];
}

function warning(path: ValuePath, text: string, hint: Hint): ValueRemark {
  return { path, severity: 'warning', text, hints: [hint] };
}
