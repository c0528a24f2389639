import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, copyFileSync, openSync, readFileSync } from 'node:fs';

import type { CaseContext, LabCase } from '../guest/case.ts';
import { runForUser, silence, soundCard, startForUser, waitForNodes } from '../guest/desktop.ts';
import { Domain } from '../guest/domain.ts';
import { expectDriver } from '../guest/expect.ts';
import { productLog } from '../guest/product.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { devices } from '../guest/topology.ts';
import { waitFor } from '../guest/wait.ts';
import { card } from './life-cycle.ts';

/** Starts a sound server; gives the process that has the control node of the card open. */
type Server = (context: CaseContext) => Promise<ChildProcess>;

const pipeWire: Server = async (context) => {
  startForUser(context, 'pipewire');
  // WirePlumber ends when PipeWire does not answer yet.
  await waitFor(
    'an answer of PipeWire',
    60,
    async () => (await runForUser('pw-cli', 'info', '0')) !== '' || undefined,
  );
  const manager = startForUser(context, 'wireplumber');
  await waitForNodes(manager, 'control');
  return manager;
};

const pulseAudio: Server = async (context) => {
  const server = startForUser(context, 'pulseaudio', '--daemonize=no', '--exit-idle-time=-1');
  await waitForNodes(server, 'control');
  return server;
};

const alsactl: Server = async (context) => {
  const daemon = spawn('alsactl', ['--no-lock', 'rdaemon'], { stdio: 'ignore' });
  context.afterwards(() => void daemon.kill());
  await waitForNodes(daemon, 'control');
  return daemon;
};

/** A guest starts although the server has the card open, and the server has the card again afterwards. */
const ordinary: readonly {
  readonly name: string;
  readonly server: Server;
  /** False: it looks for new cards only when it is told to. */
  readonly returns?: false;
  /** Has sound played or recorded; gives the process that has the PCM node open. */
  readonly busy?: (context: CaseContext, server: ChildProcess) => Promise<unknown>;
}[] = [
  { name: 'PipeWire with WirePlumber', server: pipeWire },
  {
    name: 'PipeWire that plays',
    server: pipeWire,
    async busy(context) {
      startForUser(context, 'pw-cat', '--playback', '--target', await pipeWireNode('output'), silence());
      await pcmIsOpen('p');
    },
  },
  {
    name: 'PipeWire that records',
    server: pipeWire,
    async busy(context) {
      startForUser(context, 'pw-cat', '--record', '--target', await pipeWireNode('input'), '/home/lab/a.wav');
      await pcmIsOpen('c');
    },
  },
  { name: 'PulseAudio', server: pulseAudio },
  {
    name: 'PulseAudio that plays',
    server: pulseAudio,
    async busy(context, server) {
      startForUser(context, 'pacat', '--playback', `--device=${pulseName('output')}`, '/dev/zero');
      await waitForNodes(server, 'D0p');
    },
  },
  {
    name: 'PulseAudio that records',
    server: pulseAudio,
    async busy(context, server) {
      startForUser(context, 'pacat', '--record', `--device=${pulseName('input')}`, '/dev/null');
      await waitForNodes(server, 'D0c');
    },
  },
  { name: 'alsactl', server: alsactl, returns: false },
];

/** What both servers call the sound of the card. */
function pulseName(direction: 'output' | 'input'): string {
  return `alsa_${direction}.pci-${devices.gpuAudio.replaceAll(':', '_')}.analog-stereo`;
}

async function pipeWireNode(direction: 'output' | 'input'): Promise<string> {
  const name = pulseName(direction);
  return waitFor(`PipeWire to have ${name}`, 60, async () =>
    (await runForUser('pw-cli', 'ls', 'Node')).includes(name) ? name : undefined,
  );
}

/** Waits until sound goes to or from the card: the kernel says so of its first subdevice. */
async function pcmIsOpen(end: 'p' | 'c'): Promise<void> {
  const status = `/proc/asound/card${soundCard() ?? ''}/pcm0${end}/sub0/status`;
  await waitFor('sound to run', 60, () => readFileSync(status, 'utf8').includes('RUNNING') || undefined);
}

export const soundCases: readonly LabCase[] = [
  ...ordinary.map(({ name, server, busy, returns }): LabCase => ({
    name: `the guest starts, and the card is back afterwards: ${name}`,
    limit: 300,
    async run(context) {
      const domain = await Domain.define(context, 'desktop', card);
      const holder = await server(context);
      await busy?.(context, holder);
      await domain.start();
      expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);
      assert.equal(holder.exitCode, null, 'the server has ended');
      context.note(`unbind of the sound in ${unbindMilliseconds()} ms`);
      await domain.destroy();
      if (returns !== false) await waitForNodes(holder, 'control');
    },
  })),
  ...[pipeWire, pulseAudio].map((server): LabCase => ({
    name: `the start is refused at once while the server is stopped: ${server === pipeWire ? 'WirePlumber' : 'PulseAudio'}`,
    limit: 300,
    async run(context) {
      const domain = await Domain.define(context, 'desktop', card);
      const holder = await server(context);
      holder.kill('SIGSTOP');
      await refusedAtOnce(domain, /\(pid \d+, \w+\.service, stopped\)/);
      holder.kill('SIGCONT');
      await domain.start();
      await domain.destroy();
    },
  })),
  {
    name: 'the start is refused at once: a program that only has the name of a server',
    async run(context) {
      copyFileSync('/usr/bin/sleep', '/run/lab/wireplumber');
      const domain = await Domain.define(context, 'desktop', card);
      const node = openSync(`/dev/snd/controlC${soundCard() ?? ''}`, 'r');
      const child = spawn('/run/lab/wireplumber', ['300'], { stdio: [node, 'ignore', 'ignore'] });
      closeSync(node);
      context.afterwards(() => void child.kill());
      await waitForNodes(child, 'control');
      await refusedAtOnce(domain, /"wireplumber" \(pid \d+\)/);
    },
  },
];

async function refusedAtOnce(domain: Domain, message: RegExp): Promise<void> {
  const before = takeSnapshot();
  const { status, stderr } = await domain.tryStart();
  assert.notEqual(status, 0, 'the start must be refused');
  assert.match(stderr, message);
  assert.match(stderr, /the host uses it/);
  assert.deepEqual(differences(before, takeSnapshot()), []);
}

/** How long the last unbind of the sound took, by the product's own log. */
function unbindMilliseconds(): string {
  const step = `step="unbind ${devices.gpuAudio} from snd_hda_intel"`;
  const line = readFileSync(productLog, 'utf8')
    .split('\n')
    .filter((each) => each.includes(step))
    .at(-1);
  return / ms=(\d+)/.exec(line ?? '')?.[1] ?? 'an unknown number of';
}
