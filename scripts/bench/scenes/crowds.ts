import { join } from 'node:path';
import type { Setting } from '../files/kernel.ts';
import { startPlainHost } from '../files/plain-host.ts';
import { guestWith } from '../guest.ts';
import { hookCalls } from '../hook-calls.ts';
import { FREE_DISK, hostWithNetworkCard, hostWithVolumes, INTERFACE, NETWORK_CARD } from '../machines.ts';
import type { OpenScene, Scene } from '../scene.ts';

/** What a host may have very many of, and what they add to a prepare of a device that is looked at for their sake. */
interface Crowd {
  readonly words: string;
  readonly count: number;
  readonly device: string;
  readonly setting: (count: number) => Setting;
  /** Milliseconds. */
  readonly aim: number;
}

const of: readonly Crowd[] = [
  {
    words: 'TCP connections add to a prepare of a network card',
    count: 20_000,
    device: NETWORK_CARD,
    setting: (connections) => ({
      spec: hostWithNetworkCard(),
      network: { interface: INTERFACE, connections },
    }),
    aim: 30,
  },
  {
    words: 'logical volumes add to a prepare of a disk',
    count: 500,
    device: FREE_DISK,
    setting: (volumes) => ({ spec: hostWithVolumes(volumes) }),
    aim: 30,
  },
];

/** One host with none of them beside one with all. */
export const crowds: readonly Scene[] = of.map(({ words, count, device, setting, aim }) => {
  const [NONE, ALL] = [
    { prepare: 'prepare beside none', release: 'its release' },
    { prepare: `prepare beside ${count}`, release: `release beside ${count}` },
  ];
  return {
    plainHost: true,
    share: 1 / 3,
    warmUps: 1,
    rows: [
      {
        what: `${count.toLocaleString('en')} ${words}`,
        against: 'none',
        measure: 'CPU',
        of: ALL.prepare,
        less: NONE.prepare,
        aim,
      },
    ],
    async open(hook, directory): Promise<OpenScene> {
      const guest = guestWith([device]);
      const hosts = [
        await startPlainHost(setting(0), join(directory, 'none')),
        await startPlainHost(setting(count), join(directory, 'all')),
      ] as const;
      const [none, all] = hosts.map((host) => hookCalls(hook, guest, host));
      if (!none || !all) throw new Error('no hosts');
      return {
        forms: [
          none.prepare(NONE.prepare),
          none.release(NONE.release),
          all.prepare(ALL.prepare),
          all.release(ALL.release),
        ],
        close: async () => {
          for (const host of hosts) await host.stop();
        },
      };
    },
  };
});
