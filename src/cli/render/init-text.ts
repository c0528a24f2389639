import { pciHostdevs, type Domain } from '../../domain/domain.ts';
import { formatBarSize, type Bar } from '../../pci/bar.ts';
import { barOfCode43, CODE_43_SIZE } from '../../pci/code-43.ts';
import type { PciAddress } from '../../pci/address.ts';
import { isDisplay } from '../../pci/class.ts';
import type { PciDevice } from '../../pci/device.ts';
import { bestVfioAlias } from '../../pci/modalias.ts';
import type { PciNames } from '../../pci/names.ts';
import { groupOf, type Snapshot } from '../../pci/snapshot.ts';
import { chooseDriver, VFIO_PCI } from '../../plan/driver.ts';
import { isOffered, reasonsOf } from '../../plan/use.ts';
import { escapeControl, quoteName, shellWord } from '../../text.ts';

/** What a first configuration is made from. */
export interface InitFacts {
  readonly guest: Domain;
  /** The groups of the guest's devices. */
  readonly snapshot: Snapshot;
  readonly names: PciNames;
  /** Every graphics card of the host, whoever has it; virtual functions are none. */
  readonly cards: readonly PciAddress[];
}

/** A line that could be in the configuration, and what is to be known about it. */
interface Suggestion {
  readonly about: readonly string[];
  /** As YAML, without the rule's indentation. */
  readonly lines: readonly string[];
}

/**
 * A configuration file for a guest, in YAML, with everything that could be set as a comment. It says no more
 * than what holds without it, so that the guest's plan stays the same until somebody takes a `# ` away.
 */
export function initialConfig(facts: InitFacts): string {
  const { guest, snapshot, names } = facts;
  const assigned = new Set(pciHostdevs(guest).map(({ address }) => address));
  const name = shellWord(guest.name) ?? guest.uuid ?? 'GUEST';
  const rules = snapshot.devices.flatMap((device) => {
    const suggestions = suggestionsFor(device, guest, snapshot);
    return suggestions.length === 0 ? [] : [rule(device, names, suggestions)];
  });
  return [
    '# yaml-language-server: $schema=/usr/share/vfio-hook/vfio-hook.schema.json',
    '#',
    `# What vfio-hook does for guest ${quoteName(guest.name)}. As it stands it changes nothing: which devices the guest gets`,
    '# is in its XML, and all else is found out at its start. Take the "# " away from a line to let it take effect, then:',
    '#',
    `#   sudo vfio-hook validate && sudo vfio-hook plan ${name}`,
    '#',
    ...snapshot.groups.flatMap((group) => [
      `# IOMMU group ${group.number}:`,
      ...snapshot.devices
        .filter((device) => groupOf(snapshot, device) === group)
        .map(
          (device) =>
            `#   ${device.address} ${deviceText(device, names)}${assigned.has(device.address) ? '' : ' (shares the group)'}`,
        ),
    ]),
    '',
    ...(rules.length === 0
      ? ['# None of these devices has anything to set. Time limits and the log: see the documentation.']
      : ['devices:', ...rules.flat()]),
    '',
    ...keysFor(facts).flatMap(({ about, lines }) => [
      ...about.map((line) => `# ${line}`),
      ...lines.map((line) => `# ${line}`),
      '',
    ]),
  ].join('\n');
}

function deviceText(device: PciDevice, names: PciNames): string {
  return escapeControl(names.describe(device));
}

/** Everything below `match` is a suggestion; what is to be known stands above. */
function rule(device: PciDevice, names: PciNames, suggestions: readonly Suggestion[]): string[] {
  return [
    `  # ${escapeControl(names.describeModel(device))}`,
    ...suggestions.flatMap(({ about }) => about.map((line) => `  # ${line}`)),
    `  - match: "${device.address}"`,
    ...suggestions.flatMap(({ lines }) => lines.map((line) => `    # ${line}`)),
  ];
}

function suggestionsFor(device: PciDevice, guest: Domain, snapshot: Snapshot): Suggestion[] {
  return [
    ...barSuggestions(device),
    ...driverSuggestions(device, guest, snapshot),
    ...sleepSuggestions(device, guest),
    ...useSuggestions(device, snapshot),
  ];
}

function barSuggestions(device: PciDevice): Suggestion[] {
  const resizable = device.bars.filter(
    (bar): bar is Bar & { sizes: readonly number[] } => bar.sizes !== undefined,
  );
  if (resizable.length === 0) return [];
  const code43 = barOfCode43(device);
  return [
    {
      about: [
        'Sizes of its BARs for the time that the guest has it; the size from before comes back.',
        ...resizable.map(
          ({ index, size, sizes }) =>
            `BAR ${index} is ${formatBarSize(size)} now and can be ${sizes.map(formatBarSize).join(', ')}.`,
        ),
        ...(code43
          ? [
              'A Radeon card (RDNA 2 and 3) may end with "Code 43" in Windows while BAR 2 is larger than 8 MiB: owners',
              'report that the size below helps. Leave it for a guest with Linux.',
            ]
          : []),
      ],
      lines: [
        'bars:',
        ...resizable.map((bar) => `  ${bar.index}: ${sizeText(bar === code43 ? CODE_43_SIZE : bar.size)}`),
      ],
    },
  ];
}

function sizeText(bytes: number): string {
  return formatBarSize(bytes).replace(' ', '');
}

/** Where a vfio driver is made for the device: which one it gets, and how it gets the other one. */
function driverSuggestions(device: PciDevice, guest: Domain, snapshot: Snapshot): Suggestion[] {
  const alias = bestVfioAlias(device.modalias, snapshot.variants);
  if (!alias) return [];
  const model = pciHostdevs(guest).find(({ address }) => address === device.address)?.model;
  const chosen = chooseDriver(device, snapshot, { model });
  const other = chosen === VFIO_PCI ? alias.module : VFIO_PCI;
  return [
    {
      about: [
        `${alias.module} is a vfio driver made for this device. By libvirt's rule it gets ${chosen}; to get the other one:`,
      ],
      lines: [`driver: ${other}`],
    },
  ];
}

/** Disks and USB controllers that sleep too deeply, and cards that sleep now, as those of laptops do. */
function sleepSuggestions(device: PciDevice, guest: Domain): Suggestion[] {
  const { address, class: code, powerControl, d3coldAllowed } = device;
  if (!pciHostdevs(guest).some((hostdev) => hostdev.address === address)) return [];
  if (powerControl === undefined) return [];
  const cold = d3coldAllowed === undefined ? [] : ['d3cold: false'];
  if (code.startsWith('0108')) {
    return [
      {
        about: ['Some NVMe disks do not wake up again in a guest. To keep it awake, with its power on:'],
        lines: ['power: on', ...cold],
      },
    ];
  }
  if (code.startsWith('0c03')) {
    return [
      {
        about: ['A USB controller that sleeps may miss what is plugged in. To keep it awake:'],
        lines: ['power: on'],
      },
    ];
  }
  if (!isDisplay(code) || powerControl !== 'auto') return [];
  return [
    {
      about: [
        'It may sleep while nobody uses it. If the guest finds it dead ("Unable to change power state from D3cold"), keep it awake:',
      ],
      lines: ['power: on', ...cold],
    },
  ];
}

/** Keys for the whole guest that fit what is seen: the host's only card, huge pages of the XML, pinned CPUs. */
function keysFor({ guest, cards }: InitFacts): Suggestion[] {
  const assigned = pciHostdevs(guest).map(({ address }) => address);
  const isOnly = cards.length === 1 && cards.every((card) => assigned.includes(card));
  const [pages, ...others] = guest.hugepages ?? [];
  const size = pages?.size ?? DEFAULT_PAGE;
  return [
    ...(isOnly
      ? [
          {
            about: [
              'The guest gets the only graphics card of the host, and the screen with it: the display manager is stopped before and',
              'started again afterwards. Whoever starts the guest in a session of the desktop loses that session.',
            ],
            lines: ['display:', '  release: auto'],
          },
        ]
      : []),
    ...(pages && others.every((other) => (other.size ?? DEFAULT_PAGE) === size)
      ? [
          {
            about: ['Its memory is in huge pages. To add them to those of the host for as long as it runs:'],
            lines: ['hugepages:', `  size: ${sizeText(size)}`, '  count: auto'],
          },
        ]
      : []),
    ...(guest.cpus
      ? [
          {
            about: ['It is pinned to CPUs of the host. To run these at full speed meanwhile:'],
            lines: ['governor: performance'],
          },
          {
            about: ['To keep the host, its sessions and its interrupts off these CPUs meanwhile:'],
            lines: ['cpus:', '  isolate: auto', '  irqs: true'],
          },
        ]
      : []),
  ];
}

/** Bytes of a huge page where the XML names no size, on the processors that most hosts have. */
const DEFAULT_PAGE = 2 ** 21;

/** What the host uses the device for: until that is allowed, no guest gets it. */
function useSuggestions({ address }: PciDevice, snapshot: Snapshot): Suggestion[] {
  const uses = snapshot.uses.filter(({ device, yields }) => device === address && yields !== true);
  if (uses.length === 0) return [];
  const root = uses.filter(({ reason }) => reason === 'root-disk');
  if (root.length > 0) {
    return [{ about: root.map(({ detail }) => sentence(escapeControl(detail))), lines: [] }];
  }
  const offered = uses.filter(isOffered);
  return [
    {
      about: [
        'The host uses it now, so a start of the guest is refused:',
        ...uses.map(({ reason, detail }) => `  ${reason}: ${escapeControl(detail)}`),
        ...(offered.length > 0 ? ['Take in what may be taken from the host all the same:'] : []),
      ],
      lines: offered.length > 0 ? [`allow: [${reasonsOf(offered).join(', ')}]`] : [],
    },
  ];
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}: a start of the guest is refused.`;
}
