import assert from 'node:assert/strict';
import { simulatedHost } from '../../simulator/host.ts';
import { readText } from '../../simulator/read.ts';
import type { MachineId, Machines } from './machines.ts';
import type { Read } from './questions.ts';

/** What the simulated machine answers in one of its states. */
export function readMachine(question: Read, machines: Machines, id: MachineId): unknown {
  const state = machines.state(id);
  const host = simulatedHost({
    read: (look) => look(state),
    update: () => assert.fail('a read changes nothing'),
    now: () => 0,
    pause: () => Promise.resolve(),
  });
  switch (question.ask) {
    case 'machine': {
      const method: unknown = Reflect.get(host, question.how);
      assert.ok(method instanceof Function);
      const value: unknown = Reflect.apply(method, host, question.with);
      assert.ok(!(value instanceof Promise), `${question.how} may wait: it needs a question of its own`);
      return value instanceof Uint8Array ? [...value] : value;
    }
    case 'locked': {
      const texts: [string, string][] = [];
      for (const path of question.paths) {
        const read = readText(state, path);
        if (read.kind === 'blocked') return { kind: 'stuck', path };
        if (read.kind === 'text') texts.push([path, read.text]);
      }
      return { kind: 'read', texts };
    }
    case 'alive':
      return host.isAlive({ pid: question.pid, startTime: question.startTime });
  }
}
