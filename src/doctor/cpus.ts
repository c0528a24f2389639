import { VfioHookError } from '../errors.ts';
import { advice, command } from '../hint.ts';
import { isBalanced } from '../observe/irqs.ts';
import { confinesSlices } from '../observe/slices.ts';
import { IRQBALANCE } from '../resource/tuning/irq.ts';
import { quoteName } from '../text.ts';
import type { Check, Examination, Guest } from './examination.ts';
import { about, failure, ok, warning, type Found } from './finding.ts';

/** The host can be kept off the CPUs of guests that want them to themselves, and stays off. */
export const isolatedCpus: Check = {
  title: 'CPUs that guests have to themselves',
  run: (on) => {
    const findings = on.guests().flatMap((guest) => judge(on, guest));
    return findings.length > 0 ? findings : ok('no guest wants any');
  },
};

function judge({ host, engine }: Examination, { name, xml }: Guest): Found[] {
  const config = xml && loaded(() => engine.loadConfig(xml.domain));
  if (!config?.cpus) return [];
  const { cpus, services } = config;
  const said = (found: Found): Found[] => [about(quoteName(name), found)];
  if (!confinesSlices(host)) {
    return said(
      failure(
        'its configuration has cpus, which needs the unified hierarchy of control groups (cgroup v2): its start is refused',
        advice('boot with systemd.unified_cgroup_hierarchy=1, or take cpus out of the configuration'),
      ),
    );
  }
  const stops = services.stop.some((unit) => unit.name === IRQBALANCE && unit.user === undefined);
  if (cpus.irqs && isBalanced(host) && !stops) {
    return said(
      warning(
        'its configuration keeps interrupts off its CPUs, and irqbalance, which runs, moves them back',
        advice(
          `have it stopped while the guest runs: services: {stop: [${IRQBALANCE}]} in its configuration`,
        ),
        command(`systemctl disable --now ${IRQBALANCE}`),
      ),
    );
  }
  return said(ok('the host keeps off them while it runs'));
}

/** That a file is broken is for another check to say. */
function loaded<T>(load: () => T): T | undefined {
  try {
    return load();
  } catch (error) {
    if (error instanceof VfioHookError) return undefined;
    throw error;
  }
}
