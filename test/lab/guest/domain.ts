import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import process from 'node:process';

import type { CaseContext } from './case.ts';
import { type Assignment, domainXml, guestFiles, type GuestSpec } from './domain-xml.ts';
import { execute, type Execution, must } from './execute.ts';
import { processes, processesWith, startLibvirtd } from './libvirtd.ts';
import { read } from './sysfs.ts';
import { waitFor } from './wait.ts';

/** Seconds for one virsh command that calls the hook; the emulator needs up to 25 of them. */
const virshLimit = 100;

/** A guest of libvirt, by its name, through virsh alone. */
export class Domain {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** Makes the guest known to libvirt; after the case it is ended and forgotten. */
  static async define(
    context: CaseContext,
    name: string,
    assignments: readonly Assignment[],
    spec?: GuestSpec,
  ): Promise<Domain> {
    const domain = Domain.#prepare(context, name);
    await must('virsh', ['-q', 'define', domain.#write(assignments, spec)]);
    return domain;
  }

  /** Starts the guest without defining it; it is forgotten when it ends. */
  static async create(
    context: CaseContext,
    name: string,
    assignments: readonly Assignment[],
  ): Promise<Domain> {
    const domain = Domain.#prepare(context, name);
    await must('virsh', ['-q', 'create', domain.#write(assignments)], { limit: virshLimit });
    return domain;
  }

  static #prepare(context: CaseContext, name: string): Domain {
    const domain = new Domain(name);
    const { disk } = guestFiles(name);
    copyFileSync('/share/boot-sector', disk);
    context.afterwards(async () => domain.#forget());
    return domain;
  }

  #write(assignments: readonly Assignment[], spec?: GuestSpec): string {
    const file = `/run/lab/${this.name}.xml`;
    writeFileSync(file, domainXml(this.name, assignments, spec));
    return file;
  }

  async #forget(): Promise<void> {
    if (processes('libvirtd').length === 0) await startLibvirtd();
    await execute('virsh', ['-q', 'destroy', this.name]);
    await execute('virsh', ['-q', 'undefine', this.name]);
  }

  /** `virsh start`, whatever comes of it. */
  async tryStart(): Promise<Execution> {
    rmSync(guestFiles(this.name).serial, { force: true });
    return execute('virsh', ['-q', 'start', this.name], { limit: virshLimit });
  }

  /** `virsh start`, then waits until the guest's own code runs. */
  async start(): Promise<void> {
    const { status, stderr } = await this.tryStart();
    assert.equal(status, 0, stderr);
    await this.runs();
  }

  /** Waits until the guest's own code runs and gives what it reported. */
  async runs(): Promise<string> {
    const { serial } = guestFiles(this.name);
    return waitFor(`guest ${this.name} to run`, 60, () => {
      const report = read(serial);
      return report?.includes('ready') === true ? report : undefined;
    });
  }

  /** `virsh shutdown`, answered by the guest; waits until libvirt says that it is off. */
  async shutdown(): Promise<void> {
    const { status, stderr } = await execute('virsh', ['-q', 'shutdown', this.name]);
    // QEMU may be gone before it has answered.
    assert.ok(status === 0 || stderr.includes('Connection reset by peer'), stderr);
    await this.isOff();
  }

  async destroy(): Promise<void> {
    await must('virsh', ['-q', 'destroy', this.name], { limit: virshLimit });
  }

  /** Kills the guest's QEMU; waits until libvirt says that it is off. */
  async kill(): Promise<void> {
    process.kill(this.pid(), 'SIGKILL');
    await this.isOff();
  }

  async state(): Promise<string> {
    const { stdout, stderr } = await execute('virsh', ['-q', 'domstate', this.name]);
    return stdout.trim() || stderr.trim();
  }

  /** Waits until libvirt says `shut off` and no hook is at work for the guest any more. */
  async isOff(): Promise<void> {
    await waitFor(`guest ${this.name} to be off`, virshLimit, async () => {
      const state = await this.state();
      return (
        (/^shut off|failed to get domain/.test(state) && processesWith(this.name).length === 0) || undefined
      );
    });
  }

  /** Process id of its QEMU. */
  pid(): number {
    return Number(readFileSync(`/run/libvirt/qemu/${this.name}.pid`, 'utf8'));
  }
}
