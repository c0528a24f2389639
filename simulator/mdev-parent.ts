import { dropEmptyGroup } from './groups.ts';
import { driverOf, type MachineState } from './state.ts';
import { done, type Outcome } from './work.ts';

/** Whether the driver that makes mediated devices of a parent is there; of one that is no PCI device it always is. */
export function isViableParent(state: MachineState, parent: string, module: string | undefined): boolean {
  if (module !== undefined && !state.modules[module]) return false;
  const device = state.devices[parent];
  if (!device) return !/^[0-9a-f]{4,8}:/.test(parent);
  const { driver } = device.spec;
  const now = device.linked ? driverOf(state, device)?.spec : undefined;
  return now?.dma === 'native' && (driver === undefined || now.name === driver);
}

/** A device that was being removed is gone once nobody has it open; only then its instance is free again. */
export function mdevGone(state: MachineState, uuid: string): Outcome {
  const group = state.mdevs[uuid]?.group;
  if (group === undefined) return done;
  if (state.groups[group]?.openedBy !== undefined)
    return { kind: 'wait', for: `mediated device ${uuid} is open in a guest` };
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the state is a JSON object
  delete state.mdevs[uuid];
  dropEmptyGroup(state, group);
  return done;
}
