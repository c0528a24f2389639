import { holdersOf, references } from './modules.ts';
import type { MachineState } from './state.ts';
import { writtenName } from './text.ts';
import { directory, link, text, type Directory, type Node } from './tree.ts';
import { done, failed, type Outcome } from './work.ts';

/** /sys/module/X of a module that is loaded. */
export function moduleDirectory(state: MachineState, name: string): Directory {
  const drivers = Object.values(state.drivers).filter((driver) => driver.spec.module === name);
  const parameters = state.modules[name]?.parameters ?? {};
  const version = state.spec.modules.find((each) => each.name === name)?.version;
  return directory({
    initstate: text(() => 'live\n'),
    refcnt: text(() => `${references(state, name)}\n`),
    taint: text(() => '\n'),
    ...(version !== undefined && { version: text(() => `${version}\n`) }),
    holders: directory(
      Object.fromEntries(holdersOf(state, name).map((each) => [each, link(`/sys/module/${each}`)])),
    ),
    ...(drivers.length > 0 && {
      drivers: directory(
        Object.fromEntries(
          drivers.map(({ spec }) => [`pci:${spec.name}`, link(`/sys/bus/pci/drivers/${spec.name}`)]),
        ),
      ),
    }),
    ...(Object.keys(parameters).length > 0 && {
      parameters: directory(
        Object.fromEntries(
          Object.keys(parameters).map((key): [string, Node] => [
            key,
            {
              kind: 'file',
              text: () => `${parameters[key] ?? ''}\n`,
              store: (data) => storeParameter(parameters, key, writtenName(data)),
            },
          ]),
        ),
      ),
    }),
  });
}

/** kernel/params.c:param_set_bool: Y and N are printed; 1, 0, on, off and words that begin like yes and no do as well. */
function storeParameter(parameters: Record<string, string>, key: string, written: string): Outcome {
  if (!/^[YN]$/.test(parameters[key] ?? '')) {
    parameters[key] = written;
    return done;
  }
  const isOn = /^(?:[yYtT1]|o[nN])/.test(written);
  if (!isOn && !/^(?:[nNfF0]|o[fF])/.test(written)) return failed('EINVAL');
  parameters[key] = isOn ? 'Y' : 'N';
  return done;
}
