import { advice, command } from '../hint.ts';
import { sysfs } from '../pci/sysfs.ts';
import { quoteName } from '../text.ts';
import type { Check } from './examination.ts';
import { about, ok, warning, type Found } from './finding.ts';
import { mergedFacts, type GuestFacts, type MergedFacts } from './merged-facts.ts';

/*
 * What open-iov.org ("Merged Drivers", known issues) collects about drivers that serve host and guests together, a row for
 * each. None of it was tried here: the words say that it is reported. Where the page names no version, neither does the row.
 */

/** One issue. */
export interface KnownIssue {
  /** The check of `vfio-hook doctor` that tells of it. */
  readonly check: 'vgpu-driver' | 'vgpu-usb' | 'sriov-power' | 'merged-drivers';
  finds(facts: MergedFacts): readonly Found[];
}

const PAGE = '(open-iov.org, Merged Drivers)';

const LAST_OF_460 = 73;

/** The branch of the merged driver that most reports are of: 460.32 to 460.73. */
function is460(version: string): boolean {
  const [branch = 0, release = 0] = version.split('.').map(Number);
  return branch === 460 && release >= 32 && release <= LAST_OF_460;
}

/** Whether somebody has, or wants, mediated devices of NVIDIA. */
function usesVgpu({ nvidia, parents, guests }: MergedFacts): boolean {
  return nvidia !== '' && (parents.length > 0 || guests.some(({ mdevs }) => mdevs.length > 0));
}

function withMdev({ guests }: MergedFacts): readonly GuestFacts[] {
  return guests.filter(({ mdevs }) => mdevs.length > 0);
}

/** Parameters that only the community's patched driver has, and what each does. */
const PATCHED: ReadonlyMap<string, string> = new Map([
  ['cudahost', 'CUDA on the host beside the vGPUs'],
  ['vup_merged', 'the merged driver'],
  ['vup_kunlock', 'unlocks cards of the consumer series'],
  ['vup_sunlock', 'unlocks cards of the consumer series'],
  ['vup_qmode', 'vGPUs of the Q series on any card'],
  ['kmalimit', 'a limit of the kernel’s memory allocations'],
  ['klogtrace', 'the tracing of its log'],
]);

/** Every row of the page, by a name of our own. */
export const knownIssues = {
  /** 460.32.01 and 460.73.04: "error getting device from group" for the second one; mended in 510. */
  'second-mdev': {
    check: 'vgpu-driver',
    finds: (facts) =>
      usesVgpu(facts) && is460(facts.nvidia)
        ? [
            warning(
              `nvidia ${facts.nvidia}: reported to fail with the second mediated device of a card ("error getting device from group"); mended in 510`,
              advice('install version 510 or later of the vGPU driver'),
              advice('until then start one guest with a mediated device of each card'),
            ),
          ]
        : [],
  },
  /** 460.32.01 and 460.73.04: the card has to be in D0, which the power management of laptops does not keep. */
  'power-d0': {
    check: 'vgpu-driver',
    finds: (facts) => {
      if (!usesVgpu(facts) || !is460(facts.nvidia)) return [];
      const cards = facts.cards.filter(({ driver, isVirtual }) => driver === 'nvidia' && !isVirtual);
      return cards.flatMap(({ address, powerState }): Found[] => {
        const isAsleep = powerState !== '' && powerState !== 'D0';
        if (!isAsleep && facts.battery !== 'in use') return [];
        const why = isAsleep
          ? `it is in ${powerState}`
          : 'this laptop runs on its battery, whose power management puts it to sleep';
        return [
          about(
            address,
            warning(
              `${why}: with nvidia ${facts.nvidia} a vGPU is reported to start only while the card is in D0 ${PAGE}`,
              command(`echo on > ${sysfs.attribute(address, 'power/control')}`),
              ...(facts.battery === 'in use'
                ? [advice('plug the laptop in before a guest with a vGPU starts')]
                : []),
            ),
          ),
        ];
      });
    },
  },
  /** Types with a small frame buffer: pages of two of them come to one place. */
  'page-collisions': {
    check: 'vgpu-driver',
    finds: (facts) => {
      if (!usesVgpu(facts) || !is460(facts.nvidia)) return [];
      return withMdev(facts).flatMap(({ name, types }): Found[] => {
        const sizes = types.flatMap((type) => /\bframebuffer=(\d+)M\b/.exec(type)?.[1] ?? []).map(Number);
        const least = Math.min(...sizes);
        if (least > SMALL_MB) return [];
        return [
          about(
            quoteName(name),
            warning(
              `its vGPU has a frame buffer of ${least} MB: page collisions are reported for small ones with nvidia ${facts.nvidia} ${PAGE}`,
              advice(`give it a type with more than ${SMALL_MB} MB: vfio-hook mdev`),
            ),
          ),
        ];
      });
    },
  },
  /** 460.x and 510: nvidia-vgpu-mgr and nvidia-vgpud end by themselves; then no vGPU starts any more. */
  services: {
    check: 'vgpu-driver',
    finds: (facts) => {
      if (facts.managerRuns || !usesVgpu(facts)) return [];
      if (!facts.parents.some(({ driver, types }) => driver === 'nvidia' && types.length > 0)) return [];
      const [branch = ''] = facts.nvidia.split('.');
      const known =
        branch === '460' || branch === '510' ? `, which is reported to crash with ${branch} ${PAGE}` : '';
      return [
        warning(
          `nvidia-vgpu-mgr does not run${known}: a guest with a vGPU would not start`,
          command('journalctl -b -u nvidia-vgpu-mgr -u nvidia-vgpud'),
          command('systemctl restart nvidia-vgpud nvidia-vgpu-mgr'),
        ),
      ];
    },
  },
  /** 460.73.01: a guest with an mdev and a passed-through USB hub. */
  'usb-hub': {
    check: 'vgpu-usb',
    finds: (facts) => {
      const [branch = 0] = facts.nvidia.split('.').map(Number);
      // Without a driver that tells its version it may be any.
      if (branch > 460) return [];
      return withMdev(facts)
        .filter(({ usb }) => usb > 0)
        .map(({ name }) =>
          about(
            quoteName(name),
            warning(
              `it has a mediated device and USB hubs, controllers or devices of the host: reported not to work together with NVIDIA’s merged drivers, 460.73.01 at least ${PAGE}`,
              advice(
                'take the USB devices out of the guest for a trial, or hand them in through the network (usbredir)',
              ),
            ),
          ),
        );
    },
  },
  /** `cudahost=1` and what else only the patched driver has. */
  'patched-driver': {
    check: 'vgpu-driver',
    finds: ({ parameters }) => {
      const seen = [...PATCHED].filter(([name]) => parameters.has(name));
      if (seen.length === 0) return [];
      const words = seen.map(([name, what]) => `${name}=${parameters.get(name) ?? ''} (${what})`);
      return [ok(`nvidia is the community’s patched driver: ${words.join(', ')}`)];
    },
  },
  /** `nvidia.vgpukvm=0`: the driver is an ordinary one, with no vGPUs. */
  vgpukvm: {
    check: 'vgpu-driver',
    finds: (facts) => {
      if (facts.parameters.get('vgpukvm') !== '0') return [];
      const text =
        'nvidia was loaded with vgpukvm=0: it serves the host only, and offers no mediated devices';
      return withMdev(facts).length === 0
        ? [ok(text)]
        : [
            warning(
              `${text}, which ${quoteName(withMdev(facts)[0]?.name ?? '')} wants`,
              advice(
                'take nvidia.vgpukvm=0 out of the kernel command line and of /etc/modprobe.d, and load the driver again',
              ),
            ),
          ];
    },
  },
  /** A physical function has to be in D0 to make virtual ones. */
  'physical-function-asleep': {
    check: 'sriov-power',
    finds: ({ cards }) =>
      cards
        .filter(({ totalVfs, powerState }) => totalVfs > 0 && powerState !== '' && powerState !== 'D0')
        .map(({ address, powerState }) =>
          about(
            address,
            warning(
              `it is in ${powerState}: virtual functions can be made in D0 only`,
              command(`echo on > ${sysfs.attribute(address, 'power/control')}`),
            ),
          ),
        ),
  },
  /** AMDGPU has no mediated devices, and lacks irqfd and ioeventfd for them. */
  amdgpu: {
    check: 'merged-drivers',
    finds: ({ cards, parents, guests }) => {
      const card = cards.find(({ driver }) => driver === 'amdgpu');
      const others = cards.filter(
        ({ driver }) => driver !== 'amdgpu' && driver !== 'ast' && driver !== 'mgag200',
      );
      if (!card || parents.length > 0 || others.length > 0) return [];
      return guests
        .filter(({ mdevs }) => mdevs.length > 0)
        .map(({ name }) =>
          about(
            quoteName(name),
            warning(
              `it has a mediated device, and amdgpu, which has ${card.address}, makes none: it has neither an interface for them nor irqfd and ioeventfd, in no version ${PAGE}`,
              advice('assign the card as a whole, or a virtual function where the driver gim offers them'),
            ),
          ),
        );
    },
  },
  /** SR-IOV of i915 is in no kernel of kernel.org, and documented nowhere but with the driver that was made outside. */
  'i915-sriov': {
    check: 'merged-drivers',
    finds: ({ cards }) =>
      cards
        .filter(({ driver, totalVfs, isVirtual }) => driver === 'i915' && totalVfs > 0 && !isVirtual)
        .map(({ address, totalVfs }) =>
          about(
            address,
            warning(
              `i915 offers ${totalVfs} virtual functions, which no i915 of kernel.org does: the driver was built outside, and its SR-IOV is undocumented ${PAGE}`,
              advice(
                'it wants enable_guc=3 and max_vfs of its module, and the same driver in a guest with Linux; the kernel’s own driver with virtual functions is xe',
              ),
            ),
          ),
        ),
  },
} as const satisfies Readonly<Record<string, KnownIssue>>;

/** MB of frame buffer up to which a type counts as small. */
const SMALL_MB = 1024;

/** A check that goes through the rows that it is about. */
function checkOf(name: KnownIssue['check'], title: string, fine: (facts: MergedFacts) => string): Check {
  const rows: readonly KnownIssue[] = Object.values(knownIssues).filter(({ check }) => check === name);
  return {
    title,
    run: (on) => {
      const facts = mergedFacts(on);
      const found = rows.flatMap((row) => row.finds(facts));
      return found.length > 0 ? found : ok(fine(facts));
    },
  };
}

/** The vGPU driver's version has no fault that is known here. */
export const vgpuDriver = checkOf('vgpu-driver', 'NVIDIA vGPU driver', (facts) => {
  if (facts.nvidia === '') return 'the driver nvidia is not loaded';
  return `nvidia ${facts.nvidia}${usesVgpu(facts) ? '' : ', without mediated devices'}`;
});

/** A guest has mediated devices or USB controllers of the host, not both. */
export const vgpuWithUsb = checkOf('vgpu-usb', 'mediated devices beside USB', (facts) =>
  withMdev(facts).some(({ usb }) => usb > 0)
    ? `nothing is reported of nvidia ${facts.nvidia}`
    : 'no guest has both',
);

/** A physical function that offers virtual ones is awake: they cannot be made while it sleeps. */
export const physicalFunctionPower = checkOf(
  'sriov-power',
  'power state of SR-IOV graphics cards',
  ({ cards }) => {
    const functions = cards.filter(({ totalVfs }) => totalVfs > 0).map(({ address }) => address);
    return functions.length === 0 ? 'there are none' : `${functions.join(', ')}: awake (D0)`;
  },
);

/** What is known of drivers other than NVIDIA's that serve host and guests together. */
export const mergedDrivers = checkOf(
  'merged-drivers',
  'drivers for host and guests together',
  () => 'nothing is reported of the drivers in use',
);
