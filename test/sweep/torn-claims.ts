import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hintText } from '../../src/hint.ts';
import type { ClaimState } from '../../src/claim/claim.ts';
import type { ClaimStore } from '../../src/engine/claim-store.ts';
import { networkLink } from '../../src/observe/network-link.ts';
import type { PciAddress } from '../../src/pci/address.ts';
import { differences, type Observation } from '../simulator/observe.ts';
import { failureOf, guest, pci, type Scenario } from '../scenario.ts';
import { randomFor } from './random.ts';
import { handOver, NAME, onStage, type Stage } from './stage.ts';
import { subjects } from './subjects.ts';
import type { Sweep } from './sweep.ts';

/** Bits that are flipped in the claims of one machine; a thousand and more in all. */
const FLIPS = 60;

/** A claim file and how it was damaged. */
interface Damage {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Left whole by it: then it must do as well as before. */
  readonly harmless?: true;
  /** What the error says, besides that the claim cannot be trusted. */
  readonly reason: RegExp;
}

/** The claims of every machine, in each state that a run can leave, torn at every length and damaged otherwise. */
export const tornClaims: Sweep = {
  name: 'torn claim',
  parts: subjects.map(({ host }) => host),
  run: async (host, tally) => {
    await onStage(host, async (stage) => {
      const { s } = stage;
      const beginning = s.observation();
      for (const state of ['preparing', 'held', 'incomplete'] as const) {
        await claimIn(state, stage);
        const left = s.save();
        const file = onlyFile(join(s.directory, 'run/claims'));
        const whole = readFileSync(join(s.directory, 'run/claims', file));
        const { store } = s.engine();
        for (const [index, damage] of damagesOf(whole, `${host} ${state}`).entries()) {
          await tally.point(`${state}: ${damage.name}`, async () => {
            s.damage(file, damage.bytes);
            isDamaged(store, damage);
            // Of lengths and bits, one in sixteen goes through everything that a person can call.
            const isOneOfMany = /^(cut|bit) /.test(damage.name);
            if (!isOneOfMany || index % 16 === 0) await isDistrusted(stage, damage, file);
          });
          s.damage(file, whole);
        }
        for (const damage of wayOutOf(damagesOf(whole, `${host} ${state}`))) {
          await tally.point(`${state}: the way out, ${damage.name}`, async () => {
            left();
            s.damage(file, damage.bytes);
            const error = await failureOf(s.release(NAME));
            assert.match(error.hints.map(hintText)[0] ?? '', /put its devices back by hand, then remove it$/);
            await putBackByHand(stage, beginning);
            rmSync(error.path ?? '');
            s.nothingDiffers(beginning);
            await handOver(stage);
            await s.release(NAME);
            s.nothingDiffers(beginning);
          });
        }
        left();
        s.happens({ do: 'clear-faults' });
        await s.release(NAME);
      }
    });
  },
};

/** A claim in this state, as a run that died or failed leaves it. */
async function claimIn(state: ClaimState, { s, domain }: Stage): Promise<void> {
  if (state === 'preparing') {
    s.fault({ kind: 'kill', when: 'after' }, { path: '*vfio*pci/bind' });
    await assert.rejects(s.prepare(domain));
  } else {
    await s.prepare(domain);
  }
  if (state === 'incomplete') {
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*bind', times: 'always' });
    await s.release(NAME).catch(() => undefined);
  }
  s.happens({ do: 'clear-faults' });
  assert.deepEqual(
    s.claims().map((claim) => claim.state),
    [state],
  );
}

function onlyFile(directory: string): string {
  const [name, ...others] = readdirSync(directory).filter((each) => !each.startsWith('.'));
  assert.ok(name !== undefined && others.length === 0);
  return name;
}

function damagesOf(whole: Buffer, seed: string): Damage[] {
  const text = whole.toString();
  const random = randomFor(`bits of ${seed}`);
  const cut = Array.from({ length: whole.length }, (_, length): Damage => {
    const bytes = whole.subarray(0, length);
    // The last byte is the newline: without it the claim is whole.
    if (length === whole.length - 1)
      return { name: `cut to ${length} bytes`, bytes, harmless: true, reason: / / };
    return { name: `cut to ${length} bytes`, bytes, reason: /the file is (empty|no whole JSON document)$/ };
  });
  const flipped = Array.from({ length: FLIPS }, (): Damage => {
    const bit = random.below((whole.length - 1) * 8);
    const bytes = Buffer.from(whole);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    return { name: `bit ${bit} flipped`, bytes, reason: / / };
  });
  const others: Readonly<Record<string, Uint8Array | string>> = {
    'full of zero bytes': new Uint8Array(whole.length),
    'zero bytes behind its half': Buffer.concat([whole.subarray(0, 400), new Uint8Array(400)]),
    garbage: Uint8Array.from(whole, () => random.below(256)),
    'twice itself': text + text,
    'of version 4': text.replace(/"version": \d/, '"version": 4'),
    'of the other version': text.replace('"version": 3', '"version": 2'),
    'of no version': text.replace(/"version": \d,/, ''),
    'a list': '[]',
    'of another guest': text.replace(/"uuid": "."/, '"uuid": "0"').replace('"win11"', '"win12"'),
    'of another boot, by hand': text.replace(/"bootId": "[^"]+"/, '"bootId": "another"'),
    'of another device, by hand': text.replaceAll('0000:', '0001:'),
    'without its checksum': text.replace(/,\n "checksum": "\w+"/, ''),
    'of 2 MiB': text + ' '.repeat(2 ** 21),
  };
  return [
    ...cut,
    ...flipped,
    ...Object.entries(others).map(([name, content]): Damage => ({
      name,
      bytes: Buffer.from(content),
      reason: / /,
    })),
  ];
}

/** A few kinds of damage after which the way out is tried: it does not depend on what the file holds. */
function wayOutOf(damages: readonly Damage[]): Damage[] {
  return damages.filter(({ name }) => /^cut to (0|100) bytes$|^garbage$|^of version 4$|checksum/.test(name));
}

/** The file is no claim, and no remnant of an earlier boot either, which recover would remove. */
function isDamaged(store: ClaimStore, { harmless, reason }: Damage): void {
  const { claims, damaged, outdated } = store.all();
  assert.deepEqual([claims.length, damaged.length, outdated.length], harmless ? [1, 0, 0] : [0, 1, 0]);
  if (damaged[0]) assert.match(damaged[0].reason, reason);
}

/** Nobody acts on it, nobody removes it, and whoever asks is told; another guest is, too. */
async function isDistrusted({ s, domain }: Stage, { bytes, harmless }: Damage, file: string): Promise<void> {
  if (harmless) return;
  const before = s.observation();
  s.writes();
  const refusals = [
    await failureOf(s.release(NAME)),
    await failureOf(s.prepare(domain)),
    await failureOf(s.prepare(guest('other', ...domain.hostdevs))),
  ];
  for (const refusal of refusals) {
    assert.equal(refusal.code, 'VH_CLAIM', refusal.message);
    assert.ok(
      refusal.message.startsWith(`the claim ${join(s.directory, 'run/claims', file)} cannot be trusted: `),
    );
  }
  s.time.now += 120_000;
  assert.deepEqual(await s.recover(), []);
  assert.deepEqual(s.writes(), [], 'something was written');
  assert.deepEqual(differences(before, s.observation()), []);
  const path = join(s.directory, 'run/claims', file);
  assert.ok(existsSync(path) && readFileSync(path).equals(bytes), 'the file was changed');
}

/** What docs/recovery.md tells a person to type, by the facts that are to be again. */
async function putBackByHand({ s }: Stage, beginning: Observation): Promise<void> {
  const changed = [
    // What is no fact of a device, such as a console, comes back with the driver.
    ...new Set(
      differences(beginning, s.observation()).flatMap((line) => /^[0-9a-f]{4}:\S+/.exec(line) ?? []),
    ),
  ].reverse();
  const was = (device: string, fact: string): string => beginning[`${device} ${fact}`] ?? '';
  const attribute = (device: string, name: string): string => `/sys/bus/pci/devices/${device}/${name}`;
  const away = changed.filter((device) => s.driver(device) !== was(device, 'driver'));
  for (const device of away) {
    if (s.driver(device) !== 'none')
      await s.byHand(`/sys/bus/pci/drivers/${s.driver(device)}/unbind`, device);
  }
  if (s.observation()['allow_unsafe_interrupts'] !== beginning['allow_unsafe_interrupts'])
    await s.byHand('/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts', 'N');
  await holdsBackByHand(s, beginning);
  for (const device of [...changed].reverse()) {
    // A virtual function that the start had made.
    if (beginning[`${device} driver`] === undefined) continue;
    for (let bar = 0; bar < 6; bar += 1) {
      const size = was(device, `bar ${bar}`);
      if (size === (s.fact(`${device} bar ${bar}`) ?? '')) continue;
      await s.byHand(attribute(device, `resource${bar}_resize`), String(bitOf(size)));
    }
    await s.byHand(attribute(device, 'driver_override'), '');
    const driver = was(device, 'driver');
    if (away.includes(device) && driver !== 'none')
      await s.byHand(`/sys/bus/pci/drivers/${driver}/bind`, device);
    const override = was(device, 'driver override');
    if (override !== '(null)') await s.byHand(attribute(device, 'driver_override'), override);
    await s.byHand(attribute(device, 'power/control'), was(device, 'power control'));
  }
}

/** What there was besides devices: settings of functions and slices, virtual functions, then pages. */
async function holdsBackByHand(s: Scenario, beginning: Observation): Promise<void> {
  for (const fact of Object.keys(s.observation()).filter((each) => beginning[each] === undefined)) {
    const [, uuid] = /^mediated device (\S+)$/.exec(fact) ?? [];
    if (uuid !== undefined) await s.byHand(`/sys/bus/mdev/devices/${uuid}/remove`, '1');
    const [, card = '', vf] = /^(\S+) virtual function (\d+)$/.exec(fact) ?? [];
    if (vf !== undefined) await asNew(s, pci(card), vf);
    // Those of functions go with them.
    const [, of = '', share = ''] = /^(\S+) pf\/(\w+)$/.exec(fact) ?? [];
    if (share !== '') {
      const path = `/sys/bus/pci/devices/${of}/sriov_admin/pf/profile/${share}`;
      await s.byHand(path, share === 'sched_priority' ? 'low' : '0');
    }
  }
  for (const [fact, was] of Object.entries(beginning)) {
    if (was === s.fact(fact)) continue;
    const [device = '', what = ''] = fact.split(/ (.*)/);
    const [, sizeKb, node] = /^huge pages of (\d+) kB on node (\d+)$/.exec(fact) ?? [];
    if (what === 'vgpu type') await s.byHand(`/sys/bus/pci/devices/${device}/nvidia/current_vgpu_type`, was);
    if (what === 'virtual functions') await s.byHand(`/sys/bus/pci/devices/${device}/sriov_numvfs`, was);
    if (what === 'vf autoprobe')
      await s.byHand(`/sys/bus/pci/devices/${device}/sriov_drivers_autoprobe`, was);
    if (sizeKb !== undefined && node !== undefined) {
      const pool = `/sys/devices/system/node/node${node}/hugepages/hugepages-${sizeKb}kB`;
      await s.byHand(`${pool}/nr_hugepages`, was);
    }
  }
}

/** A function of a network card as the card makes it. */
async function asNew(s: Scenario, card: PciAddress, vf: string): Promise<void> {
  const { host } = s.engine();
  const link = networkLink(host, card) ?? '';
  for (const setting of ['vlan 0', 'spoofchk on', 'trust off', 'state auto', 'max_tx_rate 0'])
    await host.run('ip', ['link', 'set', 'dev', link, 'vf', vf, ...setting.split(' ')], 1000);
}

/** The number to write for a size such as `16 GiB`. */
function bitOf(size: string): number {
  const [count = '', unit = ''] = size.split(' ');
  return Math.log2(Number(count)) + { MiB: 0, GiB: 10, TiB: 20 }[unit as 'MiB' | 'GiB' | 'TiB'];
}
