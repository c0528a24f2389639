/** The program that runs inside the lab as the child of process 1: runs the cases of one series in order. */
import { appendFileSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import process from 'node:process';

import { casesOf } from '../cases/index.ts';
import type { LabEvent, Order } from '../protocol.ts';
import { must } from './execute.ts';
import { runCase } from './run-case.ts';
import { takeSnapshot } from './snapshot.ts';

process.setSourceMapsEnabled(true);

async function main(): Promise<void> {
  const order = JSON.parse(readFileSync('/share/order.json', 'utf8')) as Order;
  const cases = (await casesOf(order)).filter(
    ({ name }) => name.includes(order.only ?? '') && !order.done.includes(name),
  );
  tell({
    event: 'versions',
    kernel: release(),
    libvirt: (await must('libvirtd', ['--version'])).trim().replace(/.* /, ''),
    qemu: /version (\S+)/.exec(await must('qemu-system-x86_64', ['--version']))?.[1] ?? 'unknown',
    node: process.versions.node,
    cases: cases.length,
  });
  let now = takeSnapshot();
  for (const labCase of cases) {
    tell({ event: 'begin', name: labCase.name });
    const { end, after } = await runCase(labCase, now);
    tell(end);
    now = after;
  }
}

/** Written at once: whatever happens next may be the end of this machine. */
function tell(event: LabEvent): void {
  appendFileSync('/share/events.jsonl', `${JSON.stringify(event)}\n`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
});
