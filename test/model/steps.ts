import type { Domain } from '../../src/domain/domain.ts';
import { NOW } from './asking-engine.ts';
import type { Change, MachineEvent } from './machines.ts';
import { resume, start, stepsOfRun, type Context, type Step } from './run-steps.ts';
import type { Runs } from './runs.ts';
import { domainOf, spend, withGuest, type Phase, type Setting, type World } from './world.ts';

/** Everything that can happen next. */
export async function stepsFrom(setting: Setting, runs: Runs, world: World): Promise<Step[]> {
  const context = { setting, runs, world };
  const steps: Step[] = [];
  for (const run of world.runs) steps.push(...(await stepsOfRun(context, run)));
  for (const { name } of world.guests) steps.push(...(await stepsOfGuest(context, name)));
  steps.push(...(await stepsOfHost(context)));
  return steps;
}

async function happen(
  context: Context,
  event: MachineEvent,
): Promise<{ world: World; result: Change['result'] }> {
  const change = context.runs.machines.change(context.world.machine, event);
  const world = await resume(context, { ...context.world, machine: change.machine }, change);
  return { world, result: change.result };
}

async function stepsOfGuest(context: Context, name: string): Promise<Step[]> {
  const { setting, world } = context;
  const guest = world.guests.find((each) => each.name === name)!;
  if (!hasDaemon(context) && guest.phase !== 'running') return [];
  const domain = guest.starts > 0 ? domainOf(setting, name, guest.starts) : undefined;
  switch (guest.phase) {
    case 'off': {
      if (guest.starts >= setting.guests[name]!.length) return [];
      const starts = guest.starts + 1;
      const begun = withGuest(world, name, 'preparing', starts);
      return [await start(context, begun, 'prepare', { guest: name, count: starts })];
    }
    case 'starting': {
      const hostdevs = domain?.hostdevs ?? [];
      const devices = hostdevs.flatMap((each) => ('address' in each ? [each.address] : []));
      const mdevs = hostdevs.flatMap((each) => ('uuid' in each ? [each.uuid] : []));
      const pid = 10 + world.guests.indexOf(guest);
      const opened = await happen(context, { do: 'open-group', devices, mdevs, guest: name, pid });
      const mapped = domain && (await mapPages({ ...context, world: opened.world }, domain));
      const failed: Step = {
        sentence: `libvirt cannot start QEMU for ${name}`,
        world: withGuest(world, name, 'failed'),
      };
      if (opened.result !== 'ok' || mapped?.result !== 'ok') return [failed];
      const what = hostdevs.length > 0 ? 'opens its groups and devices' : 'maps its pages';
      const running = withGuest(mapped.world, name, 'running');
      return [{ sentence: `the QEMU of ${name} ${what}`, world: running }, failed];
    }
    case 'running': {
      const closed = await happen(context, { do: 'close-group', guest: name });
      return [{ sentence: `the QEMU of ${name} ends`, world: withGuest(closed.world, name, 'ended') }];
    }
    case 'failed':
    case 'ended': {
      const begun = withGuest(world, name, 'releasing');
      return [await start(context, begun, 'release', { guest: name, count: guest.starts })];
    }
    case 'preparing':
    case 'releasing':
      return [];
  }
}

/** A QEMU takes the huge pages that its guest's memory is made of. */
async function mapPages(
  context: Context,
  { name: guest, hugepages = [] }: Domain,
): Promise<{ world: World; result: Change['result'] }> {
  const { sizeKb } = context.setting.config?.hugepages ?? {};
  const bytes = hugepages.reduce((sum, need) => sum + need.bytes, 0);
  if (sizeKb === undefined || bytes === 0) return { world: context.world, result: 'ok' };
  const pages = bytes / 1024 / sizeKb;
  return happen(context, { do: 'map-pages', program: 'qemu', guest, sizeKb, pages });
}

async function stepsOfHost(context: Context): Promise<Step[]> {
  const { runs, setting, world } = context;
  const { left } = world;
  const steps: Step[] = [];
  const forgets: readonly Phase[] = ['preparing', 'starting', 'failed', 'releasing'];
  if (left.daemonDeaths > 0 && world.guests.some(({ phase }) => forgets.includes(phase))) {
    const { world: orphaned } = await happen(
      { ...context, world: spend(world, 'daemonDeaths') },
      { do: 'stop-libvirt' },
    );
    steps.push({
      sentence: 'libvirtd is killed',
      world: {
        ...orphaned,
        runs: orphaned.runs.map((run) => ({ ...run, orphan: run.point.program.guest !== undefined })),
        guests: world.guests.map((guest) =>
          forgets.includes(guest.phase) ? { ...guest, phase: 'off' } : guest,
        ),
      },
    });
  }
  if (!hasDaemon(context)) {
    const { world: after } = await happen(context, { do: 'start-libvirt' });
    steps.push({ sentence: 'libvirtd is started again', world: after });
  }
  if (left.recoveries > 0 && !world.runs.some(({ point }) => point.program.kind === 'recover')) {
    const count = setting.bounds.recoveries - left.recoveries + 1;
    steps.push(await start(context, spend(world, 'recoveries'), 'recover', { count }));
  }
  const hung = runs.machines.state(world.machine).faults.length > 0;
  if (hung) {
    const { world: after } = await happen(context, { do: 'unhang' });
    steps.push({ sentence: 'what hung in the kernel goes on', world: after });
  }
  const quiet = world.runs.length === 0 && world.guests.every(({ phase }) => phase !== 'starting');
  const aged = aging(runs, world);
  if (quiet && aged.claims !== world.claims) steps.push({ sentence: 'a minute passes', world: aged });
  if (left.reboots > 0) {
    const { machine } = runs.machines.change(world.machine, { do: 'reboot' });
    const guests = world.guests.map((guest) => ({ ...guest, phase: 'off' as const }));
    steps.push({
      sentence: 'the host is rebooted',
      world: { ...spend(world, 'reboots'), machine, runs: [], guests },
    });
  }
  return steps;
}

/** What a world is like a minute later: no claim is young any more. */
export function aging(runs: Runs, world: World): World {
  return { ...world, claims: runs.directories.replaced(world.claims, TODAY, '2026-01-01') };
}

/** The day of every claim that was not aged. */
const TODAY = new Date(NOW).toISOString().slice(0, 10);

/** While its daemon is away, libvirt does nothing; guests run on. */
function hasDaemon({ runs, world }: Context): boolean {
  return runs.machines.state(world.machine).daemon !== undefined;
}
