import { existsSync, readFileSync } from 'node:fs';

import type { CaseEnds, LabEvent } from '../protocol.ts';

/** Counts over all labs of a run. */
export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** Prints the events of one lab as they appear in its file, in the manner of mocha, and counts them. */
export class LabReport {
  readonly #file: string;
  readonly #totals: Totals;
  readonly #print: (line: string) => void;
  #seen = 0;
  #running: string | undefined;
  #left: number | undefined;
  readonly #ended: string[] = [];

  /** `print` gets each line. */
  constructor(file: string, totals: Totals, print: (line: string) => void) {
    this.#file = file;
    this.#totals = totals;
    this.#print = print;
  }

  /** Prints what is new. */
  update(): void {
    if (!existsSync(this.#file)) return;
    const text = readFileSync(this.#file, 'utf8');
    // A line is complete with its newline.
    const lines = text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '');
    for (const line of lines.slice(this.#seen)) this.#tell(JSON.parse(line) as LabEvent);
    this.#seen = lines.length;
  }

  /**
   * To be called when the lab is off: a case that began and never ended is the one that killed it, and cases that
   * were announced and never ran are failures too.
   */
  close(end: string): void {
    this.update();
    if (this.#running !== undefined) {
      this.#fail(this.#running, `the lab ended during this case (${end})`);
      this.#left = (this.#left ?? 1) - 1;
    }
    if (this.#left === undefined) this.#fail('the lab', `no case began (${end})`);
    else if (this.#left > 0) {
      this.#totals.failed += this.#left;
      this.#print(`    ✗ ${this.#left} more cases did not run`);
    }
  }

  /** In place of {@link close}, for a lab that runs again without the cases that have ended: their names. */
  ended(): readonly string[] {
    this.update();
    return this.#ended;
  }

  #tell(event: LabEvent): void {
    switch (event.event) {
      case 'versions':
        this.#print(`    ${event.kernel}, libvirt ${event.libvirt}, QEMU ${event.qemu}, Node ${event.node}`);
        this.#left = event.cases;
        return;
      case 'begin':
        this.#running = event.name;
        return;
      case 'end':
        this.#running = undefined;
        this.#ended.push(event.name);
        this.#left = (this.#left ?? 0) - 1;
        this.#tellEnd(event);
    }
  }

  #tellEnd({ name, result, milliseconds, reason, notes }: CaseEnds): void {
    const seconds = `(${(milliseconds / 1000).toFixed(1)} s)`;
    switch (result) {
      case 'passed':
        this.#totals.passed += 1;
        this.#print(`    ✔ ${name} ${seconds}`);
        break;
      case 'skipped':
        this.#totals.skipped += 1;
        this.#print(`    - ${name}: skipped, ${reason ?? ''}`);
        break;
      case 'failed':
        this.#fail(`${name} ${seconds}`, reason ?? '');
        break;
    }
    for (const note of notes) this.#print(`        ${note}`);
  }

  #fail(name: string, reason: string): void {
    this.#totals.failed += 1;
    this.#print(`    ✗ ${name}`);
    for (const line of reason.split('\n')) this.#print(`        ${line}`);
  }
}
