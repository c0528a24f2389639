import type { Answer, ContractTarget, Fact, Operation, Row, Step } from './contract.ts';

/** Runs a row; returns what was not as the row says, a line each. */
export async function runRow(target: ContractTarget, row: Row): Promise<string[]> {
  for (const operation of row.setup) {
    const answer = await target.perform(filled(target, operation));
    if (answer !== 'ok') return [`setup ${JSON.stringify(operation)}: ${answer}`];
  }
  const wrong: string[] = [];
  for (const step of [row, ...(row.then ?? [])]) wrong.push(...(await runStep(target, step)));
  return wrong;
}

async function runStep(target: ContractTarget, step: Step): Promise<string[]> {
  const answer: Answer = await target.perform(filled(target, step.operation));
  const wrong: string[] = [];
  if (answer !== step.expect) {
    wrong.push(`${JSON.stringify(step.operation)}: ${answer} in place of ${step.expect}`);
  }
  for (const fact of step.after ?? []) {
    if ('text' in fact && fact.soon) await target.until?.(() => look(target, fact) === fact.is);
    const seen = look(target, fact);
    if (seen !== fact.is) wrong.push(`after it ${JSON.stringify(fact)}: ${JSON.stringify(seen)}`);
  }
  return wrong;
}

function look(target: ContractTarget, fact: Fact): string | number | boolean | null | undefined {
  if ('text' in fact) return target.text(fill(target, fact.text))?.replace(/\n$/, '');
  if ('link' in fact) return target.link(fill(target, fact.link))?.split('/').pop() ?? null;
  if ('exists' in fact) return target.exists(fill(target, fact.exists));
  if ('bytes' in fact) {
    const bytes = target.bytes(fill(target, fact.bytes), fact.length);
    return bytes && Buffer.from(bytes).toString('hex');
  }
  const resource = target.text(`/sys/bus/pci/devices/${target.addresses[fact.barSize]}/resource`);
  const [start = '', end = '', flags = ''] = resource?.split('\n')[fact.bar]?.split(' ') ?? [];
  if (start === '' || (Number(flags) & 0x20000000) !== 0 || Number(end) === 0) return 0;
  return Number(BigInt(end) - BigInt(start)) + 1;
}

/** An operation with the placeholders of its texts replaced. */
function filled(target: ContractTarget, operation: Operation): Operation {
  const entries = Object.entries(operation as Readonly<Record<string, unknown>>).map(([key, value]) => [
    key,
    typeof value === 'string' ? fill(target, value) : value,
  ]);
  return Object.fromEntries(entries) as Operation;
}

function fill(target: ContractTarget, template: string): string {
  const addresses: Readonly<Record<string, string>> = target.addresses;
  return template.replace(
    /\{(?:(dev|group|link) )?(\w+)\}/g,
    (whole, kind: string | undefined, role: string) => {
      const address = addresses[role];
      if (address === undefined) return whole;
      if (kind === undefined) return address;
      const directory = `/sys/bus/pci/devices/${address}`;
      if (kind === 'dev') return directory;
      if (kind === 'link') return target.list(`${directory}/net`)[0] ?? 'none';
      return target.link(`${directory}/iommu_group`)?.split('/').pop() ?? 'none';
    },
  );
}
