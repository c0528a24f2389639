import fc from 'fast-check';
import type { HoldKind, StateOf, Stated, WishOf } from '../../src/claim/hold.ts';
import { cpusWithout } from '../../src/pci/cpu-list.ts';
import type { Facts } from '../../src/resource/facts.ts';
import type { AnyFacts } from '../../src/resource/kind.ts';
import { pci } from '../scenario.ts';
import type { Step } from '../../src/steps/step.ts';

/** What a property needs to know of a kind. */
export interface Generated<K extends HoldKind> {
  readonly key: string;
  readonly original: fc.Arbitrary<StateOf<K>>;
  /** Wishes that can be had together, one for each guest. */
  readonly wishes: fc.Arbitrary<readonly [WishOf<K>, WishOf<K>, WishOf<K>]>;
  /** With nothing in the way of anybody. */
  readonly facts: Facts[K];
  /** What the kernel changes bit by bit. */
  readonly gradual: readonly string[];
  /** One owner has it: whoever else wants it is refused. */
  readonly exclusive?: true;
  /** What a step makes of a state. */
  apply(state: StateOf<K>, step: Step): StateOf<K>;
}

export const PF = pci('0000:02:00.0');

const MACS = ['52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:03'] as const;

export const freePool: Facts['hugepages'] = { busy: 0, whole: 2 ** 40, room: 2 ** 40, compacts: true };

export const idleCard: Facts['vfs'] = {
  total: 7,
  offset: 0x80,
  stride: 2,
  driver: 'igb',
  deals: false,
  open: '',
  vendor: '8086',
  vfDevice: '10ca',
  subsystemVendor: '1af4',
  subsystemDevice: '1100',
  revision: '01',
  class: '020000',
  vgpuTypes: '',
};

export const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
export const GPU = pci('0000:00:02.0');

/** A card of i915 with room for many. */
export const roomyGpu: Facts['mdev'] = {
  open: '',
  parents: [
    {
      name: GPU,
      driver: 'i915',
      types: [8, 4].map((size) => ({
        id: `i915-GVTg_V5_${size}`,
        name: `GVTg_V5_${size}`,
        description: '',
        deviceApi: 'vfio-pci',
        available: 7,
      })),
      devices: [],
    },
  ],
  devices: {},
  graphics: [],
  kernel: { kvmgt: 'loaded', enableGvt: 'Y', enableGuc: '0', vgpuKvm: '' },
};

/** fast-check makes some of its records without a prototype, which no record of the program is. */
const plain = <T>(entries: { readonly [Name in keyof T]: fc.Arbitrary<T[Name]> }): fc.Arbitrary<T> =>
  fc.record<T>(entries, { noNullPrototype: true });

const three = <W>(wish: fc.Arbitrary<W>): fc.Arbitrary<readonly [W, W, W]> => fc.tuple(wish, wish, wish);

export const freeVgpu: Facts['vgpu'] = {
  physical: '0000:41:00.0',
  creatable: '1147 NVIDIA L40S-1Q\n1152 NVIDIA L40S-8Q\n1153 NVIDIA L40S-12Q',
  known: '1147 NVIDIA L40S-1Q\n1152 NVIDIA L40S-8Q\n1153 NVIDIA L40S-12Q',
  taken: '',
  open: '',
  expected: false,
  unmanaged: false,
};

/** One for each kind; a kind that is missing does not compile. */
export const generated: { readonly [K in HoldKind]: Generated<K> } = {
  hugepages: {
    key: '2048kB node0',
    original: plain({ pages: fc.nat(300) }),
    wishes: three(plain({ pages: fc.integer({ min: 1, max: 500 }) })),
    facts: freePool,
    gradual: ['pages'],
    apply: (state, step) =>
      step.kind === 'set' && step.attribute === 'hugepages' ? { pages: Number(step.to) } : state,
  },
  vfs: {
    key: PF,
    original: plain({
      count: fc.constantFrom(0, 0, 0, 7),
      autoprobe: fc.boolean(),
      power: fc.constantFrom('auto', 'on'),
    }),
    // The number is the host's, so all want the same.
    wishes: fc
      .tuple(fc.integer({ min: 1, max: 7 }), fc.boolean(), fc.boolean(), fc.boolean())
      .map(([count, ...autoprobe]) => {
        const [first, second, third] = autoprobe.map((each) => ({ count, autoprobe: each }));
        return [first!, second!, third!] as const;
      }),
    facts: idleCard,
    gradual: [],
    apply: (state, step) => {
      if (step.kind !== 'set') return state;
      if (step.attribute === 'vfs') return { ...state, count: Number(step.to) };
      if (step.attribute === 'vfs-autoprobe') return { ...state, autoprobe: step.to === '1' };
      return step.attribute === 'power-control'
        ? { ...state, power: step.to === 'auto' ? 'auto' : 'on' }
        : state;
    },
  },
  unit: {
    key: 'display-manager.service',
    original: plain({ active: fc.boolean() }),
    // Two that want different things are a conflict, so all want the same.
    wishes: fc.boolean().map((active) => [{ active }, { active }, { active }] as const),
    facts: { there: true, users: [] },
    gradual: [],
    apply: (state, step) => (step.kind === 'unit' ? { active: step.to === 'start' } : state),
  },
  cpus: {
    key: 'system.slice',
    original: plain({ allowed: fc.constantFrom('', '0-7', '0-5', '0,2-3') }),
    // What two leave between them is never nothing.
    wishes: three(
      fc
        .uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 })
        .map((cpus) => ({ keeps: cpusWithout('0-7', cpus), all: '0-7' })),
    ),
    facts: { present: '0-7', online: '0-7', unified: true },
    gradual: [],
    apply: (state, step) => (step.kind === 'slice' ? { allowed: step.to } : state),
  },
  irq: {
    key: '44',
    original: plain({ cpus: fc.constantFrom('0-7', '3', '0,2-3') }),
    wishes: three(
      fc
        .uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 })
        .map((cpus) => ({ keeps: cpusWithout('0-7', cpus) })),
    ),
    facts: { balanced: false },
    gradual: [],
    apply: (state, step) =>
      step.kind === 'set' && step.attribute === 'irq-affinity' ? { cpus: step.to } : state,
  },
  console: {
    key: 'frame buffer device',
    original: plain({ bound: fc.boolean() }),
    wishes: three(fc.constant({ bound: false as const })),
    facts: { name: 'vtcon1', system: false },
    gradual: [],
    apply: (state, step) =>
      step.kind === 'set' && step.attribute === 'console-bound' ? { bound: step.to === '1' } : state,
  },
  framebuffer: {
    key: 'efi-framebuffer.0',
    original: fc.constantFrom({ driver: 'efi-framebuffer' }, { driver: '' }),
    wishes: three(fc.constant({ driver: '' as const })),
    facts: { goes: true },
    gradual: [],
    apply: (state, step) =>
      step.kind === 'framebuffer' ? { driver: step.to === 'bind' ? step.driver : '' } : state,
  },
  module: {
    key: 'nvidia_drm',
    original: plain({ loaded: fc.boolean() }),
    wishes: three(fc.constant({ loaded: false })),
    facts: {},
    gradual: [],
    apply: (state, step) => {
      if (step.kind === 'unload-module') return { loaded: false };
      return step.kind === 'load-module' ? { loaded: true } : state;
    },
  },
  'vfio-modules': {
    key: 'vfio',
    // Whoever had them loaded: at the end they are to be gone.
    original: plain({ loaded: fc.constant(false) }),
    wishes: three(fc.constant({ loaded: true } as const)),
    facts: { order: ['vfio'], user: '' },
    gradual: [],
    apply: (state, step) => {
      if (step.kind === 'unload-module') return { loaded: false };
      return step.kind === 'load-module' ? { loaded: true } : state;
    },
  },
  persistence: {
    key: '0000:01:00.0',
    original: plain({ on: fc.boolean() }),
    wishes: three(fc.constant({ on: false } as const)),
    facts: {},
    gradual: [],
    apply: (state, step) => (step.kind === 'persistence' ? { on: step.to === 'on' } : state),
  },
  frequency: {
    key: 'policy4',
    // A driver has a preference or has none, which is no matter of states.
    original: fc.constantFrom(
      { governor: 'powersave', epp: 'balance_performance' },
      { governor: 'performance', epp: 'performance' },
      { governor: 'schedutil', epp: '128' },
    ),
    // Two that want different ones are a conflict, so all want the same.
    wishes: fc
      .constantFrom('performance' as const, 'powersave' as const)
      .map((governor) => [{ governor }, { governor }, { governor }] as const),
    facts: { driver: 'intel_pstate', offered: ['performance', 'powersave', 'schedutil'], hidden: false },
    gradual: [],
    apply: (state, step) => {
      if (step.kind !== 'set') return state;
      if (step.attribute === 'governor') return { ...state, governor: step.to };
      return step.attribute === 'energy-preference' ? { ...state, epp: step.to } : state;
    },
  },
  vgpu: {
    key: '0000:41:00.4',
    original: plain({ type: fc.constantFrom(0, 0, 0, 1147, 1152) }),
    wishes: three(
      fc.constantFrom(
        { type: 1147, name: 'NVIDIA L40S-1Q', params: '' },
        { type: 1152, name: 'NVIDIA L40S-8Q', params: '' },
        { type: 1153, name: 'NVIDIA L40S-12Q', params: '' },
      ),
    ),
    facts: freeVgpu,
    gradual: [],
    exclusive: true,
    apply: (state, step) =>
      step.kind === 'set' && step.attribute === 'vgpu-type' ? { type: Number(step.to) } : state,
  },
  mdev: {
    key: UUID,
    original: fc.constantFrom({ parent: '', type: '' }, { parent: GPU, type: 'i915-GVTg_V5_4' }),
    wishes: three(
      plain({
        parent: fc.constant(GPU),
        type: fc.constant('i915-GVTg_V5_4'),
        attributes: fc.constantFrom('[]', '[["intel_vgpu/weight","4"]]'),
        api: fc.constant('vfio-pci'),
      }),
    ),
    facts: roomyGpu,
    gradual: [],
    exclusive: true,
    apply: (state, step) => {
      if (step.kind === 'create-mdev') return { parent: step.parent, type: step.type };
      return step.kind === 'remove-mdev' ? { parent: '', type: '' } : state;
    },
  },
  vf: {
    key: `${PF} 1 vlan`,
    original: plain({ value: fc.constantFrom('0', '7', '42 qos 3') }),
    wishes: fc.constantFrom('0', '5', '42 qos 3').map((value) => [{ value }, { value }, { value }] as const),
    facts: { there: true, link: 'eth0', open: '' },
    gradual: [],
    apply: (state, step) =>
      step.kind === 'set-link' && step.setting === 'vlan' ? { value: step.to } : state,
  },
  'vf-mac': {
    key: `${PF} 1`,
    original: plain({ mac: fc.constantFrom('unset', MACS[0]), own: fc.constant(MACS[1]) }),
    // What libvirt sets is not this program's to see to.
    wishes: fc.constantFrom(MACS[0], MACS[2]).map((mac) => {
      const wish = { mac, unset: false };
      return [wish, wish, wish] as const;
    }),
    facts: { there: true, link: 'eth0', open: '', ownLink: 'eth1', function: '0000:02:10.2' },
    gradual: [],
    apply: (state, step) => {
      if (step.kind !== 'set-link') return state;
      if (step.setting === 'address') return { ...state, own: step.to };
      return { ...state, mac: step.to === '00:00:00:00:00:00' ? 'unset' : step.to };
    },
  },
  'vf-resource': {
    key: `${PF} sriov_admin/vf2/profile/exec_quantum_ms`,
    original: plain({ value: fc.constantFrom('0', '20') }),
    wishes: fc.constantFrom('0', '10', '20').map((value) => [{ value }, { value }, { value }] as const),
    facts: { fixed: false },
    gradual: [],
    apply: (state, step) =>
      step.kind === 'set' && step.attribute === 'vf-resource' ? { value: step.to } : state,
  },
  parameter: {
    key: 'vfio_iommu_type1 allow_unsafe_interrupts',
    original: plain({ value: fc.constantFrom('Y', 'N') }),
    wishes: three(fc.constant({ value: 'Y' } as const)),
    facts: {},
    gradual: [],
    apply: (state, step) =>
      step.kind === 'set' && step.attribute === 'module-parameter'
        ? { value: step.to === 'Y' ? 'Y' : 'N' }
        : state,
  },
};

/** The generators of a kind for code that treats all of them alike. */
export interface AnyGenerated {
  readonly key: string;
  readonly original: fc.Arbitrary<Stated>;
  readonly wishes: fc.Arbitrary<readonly [Stated, Stated, Stated]>;
  readonly facts: AnyFacts;
  readonly gradual: readonly string[];
  readonly exclusive?: true;
  apply(state: Stated, step: Step): Stated;
}

export function generatedOf(kind: HoldKind): AnyGenerated {
  return generated[kind];
}
