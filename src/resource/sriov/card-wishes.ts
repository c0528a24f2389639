import type { CardRule, FunctionRule, Profile, ProfileKey } from '../../config/config.ts';
import type { PciHostdev } from '../../domain/domain.ts';
import type { PciAddress } from '../../pci/address.ts';
import { countOf, promisedAddresses } from '../../pci/routing.ts';
import type { Wish } from '../kind.ts';
import type { Places } from '../wishes.ts';
import { isDealtBefore, profileKeys, type ProfilePlace } from './profile.ts';
import { vfKey, vfMacKey } from './vf-key.ts';
import { BY_LIBVIRT } from './vf-mac.ts';

/** No card has more functions on the buses that it may have. */
const MOST = 1024;

/** A virtual function that a guest is assigned. */
interface Assigned {
  readonly vf: number;
  readonly hostdev: PciHostdev;
}

/** Which virtual functions of a card a guest is assigned, whether they are there or not. */
export function assignedFunctions(
  pf: PciAddress,
  hostdevs: readonly PciHostdev[],
  { routingOf }: Places,
): readonly Assigned[] {
  const routing = routingOf(pf);
  if (!routing || routing.stride === 0) return [];
  const addresses = promisedAddresses(pf, MOST, routing);
  return hostdevs.flatMap((hostdev) => {
    const vf = addresses.indexOf(hostdev.address);
    return vf < 0 ? [] : [{ vf, hostdev }];
  });
}

/**
 * What a guest wants of one card, in order: shares that are dealt out before the functions are there, the functions, then
 * what they are like. Nothing of a card that the guest is assigned no function of.
 */
export function cardWishes(rule: CardRule, hostdevs: readonly PciHostdev[], places: Places): readonly Wish[] {
  const { pf, profile = {} } = rule;
  const routing = places.routingOf(pf);
  const vfs = rule.vfs === undefined ? undefined : countOf(rule.vfs, routing);
  const autoprobe = rule.autoprobe || routing?.byProgram === true;
  const assigned = assignedFunctions(pf, hostdevs, places).filter(({ vf }) => vfs === undefined || vf < vfs);
  if (assigned.length === 0) return [];
  const place = places.profileOf?.(pf);
  const shares = (vf: number): ReturnType<typeof shareWishes> =>
    shareWishes(pf, vf, ruleOf(rule, vf)?.profile ?? {}, place);
  // A driver that is told of one share of memory deals out none by itself any more: so each function gets its own.
  const dealt = vfs === undefined ? assigned : (rule.functions ?? []).filter(({ vf }) => vf < vfs);
  return [
    ...dealt.flatMap(({ vf }) => shares(vf).filter(({ before }) => before)).map(({ wish }) => wish),
    ...(vfs === undefined ? [] : [{ kind: 'vfs', key: pf, wish: { count: vfs, autoprobe } } satisfies Wish]),
    ...assigned.flatMap(({ vf }) => shares(vf).filter(({ before }) => !before)).map(({ wish }) => wish),
    ...shareWishes(pf, 'pf', profile, place).map(({ wish }) => wish),
    ...assigned.flatMap((each) => settingWishes(rule, each)),
  ];
}

/** The functions that a guest's own file is about and that the guest is not assigned. */
export function strangeFunctions(
  { pf, functions = [] }: CardRule,
  hostdevs: readonly PciHostdev[],
  places: Places,
): readonly number[] {
  const own = assignedFunctions(pf, hostdevs, places).map(({ vf }) => vf);
  return functions.filter(({ scope, vf }) => scope === 'guest' && !own.includes(vf)).map(({ vf }) => vf);
}

function ruleOf({ functions = [] }: CardRule, vf: number): FunctionRule | undefined {
  return functions.find((each) => each.vf === vf);
}

/** What ip(8) sets. Address and VLAN of an interface are libvirt's to set; what it leaves of the address is not. */
function settingWishes(rule: CardRule, { vf, hostdev }: Assigned): readonly Wish[] {
  const id = { card: rule.pf, vf };
  const own = ruleOf(rule, vf);
  const isInterface = hostdev.kind === 'interface' || hostdev.kind === 'network';
  const mac = isInterface ? BY_LIBVIRT : own?.mac;
  const settings = {
    vlan: isInterface || own?.vlan === undefined ? undefined : tag(own.vlan, own.qos),
    spoofchk: onOrOff(own?.spoofcheck),
    trust: onOrOff(own?.trust),
    state: own?.state,
    max_tx_rate: own?.maxTxRate === undefined ? undefined : String(own.maxTxRate),
  };
  const names = Object.keys(settings) as (keyof typeof settings)[];
  return [
    ...(mac === undefined
      ? []
      : [
          { kind: 'vf-mac', key: vfMacKey(id), wish: { mac, unset: rule.unsetMacs ?? false } } satisfies Wish,
        ]),
    ...names.flatMap((setting): Wish[] => {
      const value = settings[setting];
      return value === undefined ? [] : [{ kind: 'vf', key: vfKey(id, setting), wish: { value } }];
    }),
  ];
}

function tag(vlan: number, qos = 0): string {
  return qos === 0 ? String(vlan) : `${vlan} qos ${qos}`;
}

function onOrOff(flag: boolean | undefined): string | undefined {
  return flag === undefined ? undefined : flag ? 'on' : 'off';
}

function shareWishes(
  card: PciAddress,
  of: number | 'pf',
  profile: Profile,
  place: ProfilePlace | undefined,
): readonly { readonly wish: Wish; readonly before: boolean }[] {
  return (Object.keys(profile) as ProfileKey[]).flatMap((name) => {
    const value = profile[name];
    if (value === undefined) return [];
    return profileKeys(card, of, name, place).map((key) => ({
      before: isDealtBefore(name),
      wish: { kind: 'vf-resource', key, wish: { value } } as const,
    }));
  });
}
