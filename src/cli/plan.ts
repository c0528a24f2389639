import { refuseBlocked } from '../engine/blocked.ts';
import { refuseDamaged } from '../engine/claim-store.ts';
import { makePlan } from '../engine/make-plan.ts';
import { pciHostdevs } from '../domain/domain.ts';
import { groupsOf } from '../host/take-snapshot.ts';
import { refusals } from '../plan/plan.ts';
import { jsonOption, machineOption, type Command } from './command.ts';
import { readDomainFile } from './domain-file.ts';
import { planJson, planText } from './render-plan.ts';
import { jsonText } from './json.ts';

/** `vfio-hook plan FILE`: what prepare would do, by the hook's own code. */
export const plan: Command = {
  name: 'plan',
  about: 'show exactly what the start of a guest would do to the host',
  details:
    'Shows the verdict on every device of the IOMMU groups concerned and each kernel write, in order, that\n' +
    'the start of the guest would make, by the very code that the hook runs. Changes nothing.',
  operands: [{ name: 'FILE', about: 'domain XML, or - for standard input' }],
  options: [jsonOption, machineOption],
  statuses: { 0: 'the guest can start', 1: 'failed', 2: 'the start would be refused' },
  examples: ['vfio-hook plan win11.xml', 'virsh dumpxml win11 | vfio-hook plan -'],
  run: async (call, terminal) => {
    const domain = readDomainFile(call.operands[0] ?? '-');
    const engine = terminal.openEngine(call);
    const { host } = engine;
    const hostdevs = pciHostdevs(domain);
    const guest = { name: domain.name, uuid: domain.uuid };
    const groups = groupsOf(
      host,
      hostdevs.map(({ address }) => address),
    );
    const stored = engine.store.all();
    refuseDamaged(stored);
    refuseBlocked(host, stored.claims, groups);
    const config = engine.loadConfig(guest);
    const planned = await makePlan({ host, guest, hostdevs, groups, config, claims: stored.claims });
    terminal.print(
      call.options.has('json')
        ? jsonText(planJson(planned))
        : planText(planned, { names: terminal.names(host), colour: terminal.colour }),
    );
    return refusals(planned.plan).length > 0 ? 2 : 0;
  },
};
