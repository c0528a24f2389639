import type { CardRule, GuestHugepages, MdevRule, PartialConfig } from '../config/config.ts';
import type { ValuePath } from '../config/problem.ts';
import { count } from '../count.ts';
import { advice, command, type Hint } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { readPoolPages } from '../observe/hugepages.ts';
import { poolWords } from '../pci/hugepages.ts';
import { sysfs } from '../pci/sysfs.ts';
import { choose } from '../resource/mdev/choose.ts';
import { mdevFacts } from '../resource/mdev/read-mdevs.ts';
import type { Remark } from './inspect-config.ts';

/** A remark about a value of the configuration. */
export interface ValueRemark extends Remark {
  readonly path: ValuePath;
}

/** What there is to say about huge pages, virtual functions and mediated devices on this host. */
export function resourceRemarks(
  { hugepages, sriov = [], mdev = [] }: PartialConfig,
  host: Host,
): ValueRemark[] {
  return [
    ...(hugepages ? poolRemarks(hugepages, host) : []),
    ...sriov.flatMap((card, index) => cardRemarks(card, ['sriov', index], host)),
    ...(mdev.length > 0 ? mdevRemarks(mdev, host) : []),
  ];
}

function poolRemarks({ sizeKb, node }: GuestHugepages, host: Host): ValueRemark[] {
  const pool = { sizeKb, ...(node !== undefined && { node }) };
  if (readPoolPages(host, pool) !== undefined) return [];
  const text = `this host has no ${poolWords(pool)}: a guest with it cannot start`;
  return [warning(['hugepages'], text, command('ls /sys/devices/system/node/node*/hugepages'))];
}

function cardRemarks({ pf, vfs = 0, functions = [] }: CardRule, path: ValuePath, host: Host): ValueRemark[] {
  if (host.read(sysfs.attribute(pf, 'vendor')) === undefined) {
    const text = `there is no ${pf} on this host: this has no effect`;
    return [warning([...path, 'pf'], text, advice('compare with: lspci -nn'))];
  }
  const total = Number(host.read(sysfs.attribute(pf, 'sriov_totalvfs')) ?? 0);
  const wanted = vfs === 'all' ? 1 : vfs;
  const beyond = functions.findIndex(({ vf }) => vf >= (typeof vfs === 'number' && vfs > 0 ? vfs : total));
  if (total >= wanted && total > 0 && beyond >= 0) {
    const text = `${pf} has no virtual function ${functions[beyond]?.vf ?? 0}: they are counted from 0, and it is to have ${typeof vfs === 'number' && vfs > 0 ? vfs : total}`;
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

function warning(path: ValuePath, text: string, hint: Hint): ValueRemark {
  return { path, severity: 'warning', text, hints: [hint] };
}
