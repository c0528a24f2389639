import { claims as isClaimedBy, type Claim } from '../../claim/claim.ts';
import type { Stated } from '../../claim/hold.ts';
import { ownerPhrase } from '../../claim/owner.ts';
import { advice, command, type Hint } from '../../hint.ts';
import { parsePciAddress, type PciAddress } from '../../pci/address.ts';
import { vgpuWords, type VgpuType } from '../../pci/vgpu.ts';
import { promisedAddresses } from '../../pci/routing.ts';
import type { Step } from '../../steps/step.ts';
import type { Facts, VgpuFacts } from '../facts.ts';
import type { KindOf, Refusal, SeenOf } from '../kind.ts';
import { knownTypes, takenWords, typeOf, typesIn } from './types.ts';

/**
 * The vGPU on a virtual function that stays on the driver nvidia (branch 550 and later, where it is the VFIO driver as
 * well). One owner has it. A type becomes another one by way of 0 only. It is never taken from whoever has the function
 * open, or was handed it: functions are used again, so that a late way back could meet another guest's vGPU.
 */
export const vgpu: KindOf<'vgpu'> = {
  stage: 'make',
  changesDevices: false,
  attributes: ['vgpu-type', 'vgpu-params'],
  passing: () => ({ type: 0 }),
  // What one of them can be made depends on all others of its card.
  lock: () => 'vGPUs',
  absent: (key) => ({
    reason: `${key} is no virtual function that stays on NVIDIA's driver (it has no nvidia/current_vgpu_type)`,
    hints: [command('vfio-hook vgpu'), command('/usr/lib/nvidia/sriov-manage -e ALL')],
  }),
  promised: (key, changes) => {
    const card = changes.find(
      ({ kind, key: physical, to, seen }) =>
        kind === 'vfs' && madeBy(physical, Number(to['count']), seen as SeenOf<'vfs'>).includes(key),
    );
    if (!card) return undefined;
    const known = String(card.seen.facts['vgpuTypes']);
    return { state: { type: 0 }, facts: { ...UNKNOWN, physical: card.key, known } };
  },
  settle: ({ key, wish, seen: { state, facts }, claims }) => {
    const known = knownTypes(facts, claims);
    if (wish.type > 0) {
      const name = known.find(({ id }) => id === wish.type)?.name ?? wish.name;
      return { wish: { ...wish, name } };
    }
    const found = typeOf(wish.name, known);
    if (found) return { wish: { ...wish, type: found.id, name: found.name } };
    if (facts.expected) {
      const reason = `it is not there yet, and nothing that is there tells the number of ${wish.name}`;
      const hints = [
        advice(
          'write the number of the type, which vfio-hook vgpu shows once the card has virtual functions',
        ),
        command(`/usr/lib/nvidia/sriov-manage -e ${facts.physical}`),
      ];
      return { refusal: { reason, hints } };
    }
    return { refusal: notOffered(wish.name, { key, state, facts }, claims) };
  },
  target: (original, wishes) =>
    wishes.length === 0 ? original : { type: Math.max(...wishes.map(({ type }) => type)) },
  conflict: ({ others: [other] }) =>
    other && {
      reason: `${other.owner} has it`,
      hints: [advice('give each guest one of its own'), command('vfio-hook vgpu')],
    },
  guard: ({ key, seen: { state, facts }, to }, claims) => {
    const holder = heldBy(key, claims);
    if (facts.open !== '') return [{ reason: facts.open, hints: [advice('end that guest first')] }];
    if (holder !== undefined) return [{ reason: holder, hints: [command('vfio-hook status')] }];
    // What it could be is told only where there is nothing on it.
    if (facts.expected || state.type !== 0 || to.type === 0) return [];
    if (typesIn(facts.creatable).some(({ id }) => id === to.type)) return [];
    return [notOffered(vgpuWords(to.type, knownTypes(facts, claims)), { key, state, facts }, claims)];
  },
  reach: ({ key, seen: { state, facts } }, claims) => {
    const left = facts.open === '' ? heldBy(key, claims) : facts.open;
    return left === undefined ? undefined : { to: state, left };
  },
  steps: ({ key, seen: { state }, to }) => {
    if (state.type === to.type) return [];
    const set = (type: number): Step => ({
      kind: 'set',
      attribute: 'vgpu-type',
      key: addressOf(key),
      to: String(type),
    });
    return [...(state.type !== 0 && to.type !== 0 ? [set(0)] : []), set(to.type)];
  },
  notes: ({ seen: { facts } }) =>
    facts.unmanaged
      ? ['nvidia-vgpu-mgr does not run, so the guest will fail to start: systemctl start nvidia-vgpu-mgr']
      : [],
  settings: (key, { params }, original) =>
    params === '' || original.type !== 0
      ? []
      : [{ kind: 'set', attribute: 'vgpu-params', key: addressOf(key), to: params }],
  expect: (snapshot, { key, to }) => ({
    ...snapshot,
    devices: snapshot.devices.map((device) =>
      device.address === key ? { ...device, driver: DRIVER, vgpuType: to.type } : device,
    ),
  }),
  subject: (key) => `the vGPU on ${key}`,
  words: (_key, state: Stated) => vgpuWords(Number(state['type']), namesIn(state)),
};

/** A wish, which is shown as a state is, may know the name of its type. */
function namesIn({ type, name }: Stated): readonly VgpuType[] {
  return typeof name === 'string' && name !== '' ? [{ id: Number(type), name }] : [];
}

const DRIVER = 'nvidia';

const UNKNOWN: Omit<VgpuFacts, 'physical'> = {
  creatable: '',
  known: '',
  taken: '',
  open: '',
  expected: true,
  unmanaged: false,
};

/** The virtual functions that a change of a card's number makes for NVIDIA's driver. */
function madeBy(physical: string, count: number, { facts }: SeenOf<'vfs'>): readonly string[] {
  const card = parsePciAddress(physical);
  return card && facts.driver === DRIVER ? promisedAddresses(card, count, facts) : [];
}

/** Who was handed the function without holding its vGPU: an administrator's, which was there already. */
function heldBy(key: string, claims: readonly Claim[]): string | undefined {
  const owner = claims.find((claim) => isClaimedBy(claim, addressOf(key)))?.owner;
  return owner && `it is held by ${ownerPhrase(owner)}`;
}

/** Why the card does not make this now: it is full, or what is on it is of another size. */
function notOffered(
  asked: string,
  {
    key,
    facts,
  }: { readonly key: string; readonly state: { readonly type: number }; readonly facts: Facts['vgpu'] },
  claims: readonly Claim[],
): Refusal {
  const offered = typesIn(facts.creatable);
  const others = takenWords(facts, claims);
  const list: Hint = command('vfio-hook vgpu');
  if (offered.length === 0) {
    return others === ''
      ? {
          reason: `its card ${facts.physical} offers no vGPU at all`,
          hints: [command('systemctl status nvidia-vgpud nvidia-vgpu-mgr'), command('nvidia-smi vgpu -c')],
        }
      : {
          reason: `its card ${facts.physical} is full: ${others}`,
          hints: [advice('end one of these guests'), list],
        };
  }
  const names = offered.map(({ name }) => name).join(', ');
  const why = others === '' ? '' : `; the card has ${others}`;
  return {
    reason: `${key} cannot be ${asked} now: it can be ${names}${why}`,
    hints: [
      list,
      ...(others === ''
        ? []
        : [
            advice(
              `types of different sizes go together only where the card was told so before its first vGPU: nvidia-smi vgpu -shm 1 -i ${facts.physical}`,
            ),
          ]),
    ],
  };
}

function addressOf(key: string): PciAddress {
  const address = parsePciAddress(key);
  if (!address) throw new Error(`${JSON.stringify(key)} is no PCI address`);
  return address;
}
