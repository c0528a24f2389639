import { labMachine } from '../contract/simulated-target.ts';
import type { Kernel } from '../contract/contract.ts';
import { type ComparedKernel } from './compare.ts';
import { machine, sight } from './facts.ts';
import { sequences } from './generate.ts';
import { normalise } from './normalise.ts';
import type { Action, Prediction, Sequence, Sight, Step } from './sequence.ts';

/** No call of a sequence can block; one that does not return at once is a fault of the simulator. */
const patience = 100;

/** Runs so many random sequences on the simulated kernel. The same for the same seed. */
export async function predict(kernel: Kernel, count: number, seed: number): Promise<Prediction> {
  const start = sight(await freshKernel(kernel));
  const all: Sequence[] = [];
  for (const actions of sequences(count, seed)) all.push(await predictSequence(kernel, actions));
  return { kernel, seed, start, sequences: all };
}

/** What the simulated kernel makes of these operations, from the start. */
export async function predictSequence(kernel: Kernel, actions: readonly Action[]): Promise<Sequence> {
  const simulated = await freshKernel(kernel);
  let before = sight(simulated);
  const steps: Step[] = [];
  for (const action of actions) {
    const answer = await simulated.perform(action);
    const after = sight(simulated);
    const changes = changed(before, after);
    const names = new Set([...Object.keys(changes), ...affected(action, before)]);
    steps.push({ action, answer, changes, look: [...names].filter((name) => Object.hasOwn(before, name)) });
    before = after;
  }
  return steps;
}

/** The simulated lab, freshly booted, as sequences find it. */
export async function freshKernel(kernel: Kernel): Promise<ComparedKernel> {
  const host = labMachine(kernel).host();
  const simulated: ComparedKernel = {
    async perform(action) {
      if ('write' in action) {
        const result = await host.writeRaw(action.write, action.data, patience);
        if (result.kind === 'stuck') return 'blocks';
        return result.kind === 'written' ? 'ok' : result.errno;
      }
      const result = await ('load' in action
        ? host.loadModule(action.load, patience)
        : host.unloadModule(action.unload, patience));
      if (result.kind === 'stuck') return 'blocks';
      return result.kind === 'loaded' ? 'ok' : (/: (E\w+)$/.exec(result.reason)?.[1] ?? 'failed');
    },
    text: (path) => host.read(path),
    link: (path) => host.readLink(path),
    list: (path) => host.list(path),
  };
  await normalise(simulated);
  return simulated;
}

function changed(before: Sight, after: Sight): Sight {
  return Object.fromEntries(
    Object.entries(after).filter(([name, facts]) => JSON.stringify(facts) !== JSON.stringify(before[name])),
  );
}

/** Whose facts an operation can change: those of the device that it names and of its group; of everything, for the rest. */
function affected(action: Action, before: Sight): readonly string[] {
  if (!('write' in action)) return Object.keys(before);
  const address = /[0-9a-f]{4}(?::[0-9a-f]{2}){2}\.[0-7]/.exec(`${action.data} ${action.write}`)?.[0];
  if (address === undefined) return action.write.endsWith('rescan') ? Object.keys(before) : [machine];
  return [address, ...Object.keys(before).filter((name) => before[name]?.['group']?.includes(address))];
}
