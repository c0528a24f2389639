import assert from 'node:assert/strict';
import { begin, claims, configure, guestWith, picture, type Guest, type Stage } from '../hook/stage.ts';
import { atOnce } from './rounds.ts';

/** Guests that want one slice each where there is room for one. */
interface Rivals {
  readonly guests: readonly [Guest, Guest, Guest];
  readonly config: string;
}

const NAMES = ['a', 'b', 'c'] as const;

/** The largest slice of Intel graphics, of which the aperture holds one. */
const ofIntel: Rivals = {
  guests: guests((uuid) => mediated(uuid)),
  config: `mdev:\n${NAMES.map((_, index) => `  - { uuid: ${uuidOf(index)}, parent: auto, type: GVTg_V5_2 }\n`).join('')}`,
};

/** All the memory of an NVIDIA card. */
const ofNvidia: Rivals = {
  guests: guests((_uuid, index) => guestWith([functionOf(index)]).xml),
  config: `vgpu:\n${NAMES.map((_, index) => `  - { vf: "${functionOf(index)}", type: L40S-48Q }\n`).join('')}`,
};

function uuidOf(index: number): string {
  return `6f1c2a34-7d0e-4c55-8a51-2f7d9b10c00${index}`;
}

function functionOf(index: number): string {
  return `0000:41:00.${4 + index}`;
}

function guests(xmlOf: (uuid: string, index: number) => string): [Guest, Guest, Guest] {
  return NAMES.map((letter, index) => {
    const [name, uuid] = [`guest-${letter}`, `d15ea5e0-0d57-4b6b-9a43-4e1a2b9f0c1${index}`];
    const xml = xmlOf(uuidOf(index), index)
      .replace(/<name>.*<\/name>/, `<name>${name}</name>`)
      .replace(/<uuid>.*<\/uuid>/, `<uuid>${uuid}</uuid>`);
    return { name, uuid, xml };
  }) as [Guest, Guest, Guest];
}

function mediated(uuid: string): string {
  const device = `<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='${uuid}'/></source></hostdev>`;
  return guestWith([]).xml.replace('</devices>', `${device}</devices>`);
}

/**
 * The last slice goes to one of three guests, whoever comes first; the others are told why, and hold nothing. Once it is
 * given back, the next one has it. Afterwards all is as it was.
 */
async function lastSlice(on: Stage, { guests: all, config }: Rivals): Promise<void> {
  configure(on, 'config.yaml', config);
  const before = picture(on);
  const ends = await Promise.all(all.map((guest) => begin(on, guest, 'prepare').ended));
  const winners = all.filter((_guest, index) => ends[index]?.status === 0);
  assert.equal(winners.length, 1, ends.map(({ stderr }) => stderr).join(''));
  for (const { status, stderr } of ends.filter((end) => end.status !== 0)) {
    assert.equal(status, 1);
    assert.match(stderr, /^vfio-hook: error: guest "guest-[abc]" cannot have /);
  }
  const [winner] = winners as [Guest];
  const losers = all.filter((guest) => guest !== winner) as [Guest, Guest];
  assert.deepEqual(holders(on), [`${winner.name} held`]);
  // libvirt ends a start that failed with a release.
  await atOnce(on, [losers[0], 'release'], [losers[1], 'release']);
  assert.deepEqual(holders(on), [`${winner.name} held`]);
  await atOnce(on, [winner, 'release']);
  assert.deepEqual([picture(on), claims(on)], [before, {}]);
  await atOnce(on, [losers[0], 'prepare']);
  await atOnce(on, [losers[0], 'release']);
  assert.deepEqual([picture(on), claims(on)], [before, {}]);
}

function holders(on: Stage): string[] {
  return Object.values(claims(on)).map(
    ({ owner, state }) => `${owner.kind === 'guest' ? owner.name : ''} ${state}`,
  );
}

/** On `intel-gvt-g`. */
export const lastOfIntel = (on: Stage): Promise<void> => lastSlice(on, ofIntel);

/** On `nvidia-vgpu-server`. */
export const lastOfNvidia = (on: Stage): Promise<void> => lastSlice(on, ofNvidia);
