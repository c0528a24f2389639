/** One defect that somebody could make: a piece of source and what it becomes. */
export interface Defect {
  /** What is wrong with the program then, as a sentence without a subject. */
  readonly name: string;
  /** File below src/. */
  readonly file: string;
  /** Text that is in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Why no test can tell; only for a defect that changes nothing that matters. */
  readonly survives?: string;
}

const plan: readonly Defect[] = [
  {
    name: 'makes the BARs of the lower card smaller first',
    file: 'plan/plan.ts',
    find: '...highestFirst.flatMap(({ device, bars }) =>',
    replace: '...moved.flatMap(({ device, bars }) =>',
  },
  {
    name: 'forgets the siblings: only assigned devices are moved',
    file: 'plan/plan.ts',
    find: 'const judged = snapshot.devices.map(',
    replace:
      'const judged = snapshot.devices.filter(({ address }) => input.hostdevs.some((each) => each.address === address)).map(',
  },
  {
    name: 'makes steps although a member is refused',
    file: 'plan/plan.ts',
    find: 'steps: refused ? [] : orderSteps(judged, input, unsafeInterrupts),',
    replace: 'steps: orderSteps(judged, input, unsafeInterrupts),',
  },
  {
    name: 'takes its own claim for a rival’s',
    file: 'plan/plan.ts',
    find: 'input.claims.filter((claim) => claim !== own)',
    replace: 'input.claims',
  },
  {
    name: 'sees no rivals',
    file: 'plan/plan.ts',
    find: 'input.claims.filter((claim) => claim !== own)',
    replace: '[]',
  },
  {
    name: 'overwrites the originals of an earlier claim',
    file: 'plan/plan.ts',
    find: 'if (earlier) return { ...earlier, bars: [...earlier.bars, ...added] };',
    replace: '',
  },
  {
    name: 'records the new BAR size as the original',
    file: 'plan/plan.ts',
    find: 'map(({ bar, from }) => ({ bar, size: from }))',
    replace: 'map(({ bar, to }) => ({ bar, size: to }))',
  },
  {
    name: 'does not record the original driver',
    file: 'plan/plan.ts',
    find: '...(device.driver !== undefined && { driver: device.driver }),',
    replace: '',
  },
  {
    name: 'does not record an earlier driver override',
    file: 'plan/plan.ts',
    find: '...(device.driverOverride !== undefined && { driverOverride: device.driverOverride }),',
    replace: '',
  },
  {
    name: 'does not record power control',
    file: 'plan/plan.ts',
    find: '...(device.powerControl !== undefined && { powerControl: device.powerControl }),',
    replace: '',
  },
  {
    name: 'does not record reset methods',
    file: 'plan/plan.ts',
    find: '...(device.resetMethods !== undefined && { resetMethods: device.resetMethods }),',
    replace: '',
  },
  {
    name: 'does not record the module of the driver',
    file: 'plan/plan.ts',
    find: '...(device.driverModule !== undefined && { module: device.driverModule }),',
    replace: '',
  },
  {
    name: 'unbinds function 0 first',
    file: 'plan/plan.ts',
    find: 'const highestFirst = [...moved].reverse();',
    replace: 'const highestFirst = [...moved];',
  },
  {
    name: 'loads no module',
    file: 'plan/plan.ts',
    find: 'moved.map(({ driver }) => driver).filter((driver) => !snapshot.drivers.includes(driver)),',
    replace: '[],',
  },
  {
    name: 'orders the refusals of companions first',
    file: 'plan/plan.ts',
    find: 'Number(b.assigned) - Number(a.assigned)',
    replace: 'Number(a.assigned) - Number(b.assigned)',
  },
  {
    name: 'hands over a group that a guest has open',
    file: 'plan/judge.ts',
    find: 'if (group?.open) {',
    replace: 'if (group?.open === undefined) {',
  },
  {
    name: 'hands over a device of another guest',
    file: 'plan/judge.ts',
    find: 'if (rival) {',
    replace: 'if (rival && rival.devices.length === 0) {',
  },
  {
    name: 'binds bridges',
    file: 'plan/judge.ts',
    find: "if (device.headerType !== 'endpoint') {",
    replace: "if (device.headerType === 'cardbus') {",
  },
  {
    name: 'lets every bridge driver stay',
    file: 'plan/board.ts',
    find: 'return !kernelFacts(snapshot.kernelRelease).guardsGroups;',
    replace: 'return true;',
  },
  {
    name: 'takes chipset functions from the host',
    file: 'plan/board.ts',
    find: 'if (isSystemClass(device.class)) return true;',
    replace: '',
  },
  {
    name: 'moves a function with a vGPU on it',
    file: 'plan/judge.ts',
    find: 'if (device.vgpuType !== undefined && device.vgpuType > 0) {',
    replace: 'if (device.vgpuType !== undefined && device.vgpuType > 1e9) {',
  },
  {
    name: 'hands over a physical function with virtual ones',
    file: 'plan/judge.ts',
    find: '(device.sriov?.numVfs ?? 0) > 0 && !device.onVfio',
    replace: '(device.sriov?.numVfs ?? 0) < 0 && !device.onVfio',
  },
  {
    name: 'takes a managed network function before libvirt has saved its MAC address',
    file: 'plan/judge.ts',
    find: 'hostdev.managed &&',
    replace: '!hostdev.managed &&',
  },
  {
    name: 'does not accept a BAR size as it is',
    file: 'plan/bars.ts',
    find: 'if (bar.size !== size) changes.push(',
    replace: 'changes.push(',
  },
  {
    name: 'accepts a BAR size that the device does not offer',
    file: 'plan/bars.ts',
    find: 'if (!bar.sizes.includes(size)) {',
    replace: 'if (bar.sizes.length === 0) {',
  },
  {
    name: 'prefers the XML’s driver to the configuration’s',
    file: 'plan/driver.ts',
    find: 'wishes.configured ?? wishes.model',
    replace: 'wishes.model ?? wishes.configured',
  },
  {
    name: 'takes a variant driver where libvirt would not',
    file: 'plan/driver.ts',
    find: 'choosesVariants ?',
    replace: 'choosesVariants || true ?',
  },
  {
    name: 'restores a device that has left its place to another one',
    file: 'plan/restore.ts',
    find: 'device.vendor !== claimed.vendor || device.device !== claimed.device',
    replace: 'device.vendor !== claimed.vendor && device.device !== claimed.device',
  },
  {
    name: 'takes a device from whoever bound it meanwhile',
    file: 'plan/restore.ts',
    find: 'if (!ours && !home) {',
    replace: 'if (!ours && !home && device.driver === undefined) {',
  },
  {
    name: 'leaves the BARs as the guest had them',
    file: 'plan/restore.ts',
    find: '.filter(({ from, to }) => from !== to);',
    replace: '.filter(({ from, to }) => from === to && from < 0);',
  },
  {
    name: 'does not clear the driver override',
    file: 'plan/restore.ts',
    find: 'overrides: overrideSteps(device, late ? undefined : original.driverOverride),',
    replace: 'overrides: [],',
  },
  {
    name: 'brings an override of another driver back before the bind',
    file: 'plan/restore.ts',
    find: 'original.driverOverride !== original.driver;',
    replace: 'original.driverOverride === original.driver;',
  },
  {
    name: 'gives a driver to a device that had none',
    file: 'plan/restore.ts',
    find: 'moves && original.driver !== undefined\n',
    replace: "moves && (original.driver ?? '') !== 'none'\n",
  },
  {
    name: 'does not restore power control after a move',
    file: 'plan/restore.ts',
    find: '(moves || device.powerControl !== original.powerControl)',
    replace: '(!moves && device.powerControl !== original.powerControl)',
  },
  {
    name: 'does not restore reset methods',
    file: 'plan/restore.ts',
    find: "methods.join(' ') !== device.resetMethods.join(' ')",
    replace: "methods.join(' ') !== methods.join(' ')",
  },
  {
    name: 'does not load the host driver’s module again',
    file: 'plan/restore.ts',
    find: '.filter(([driver]) => !snapshot.drivers.includes(driver))',
    replace: '.filter(([driver]) => snapshot.drivers.includes(driver) && driver === "")',
  },
  {
    name: 'binds before the BARs have their size again',
    file: 'plan/restore.ts',
    find: '      ...ways.flatMap((way) => way.resizes),\n      ...ways.flatMap((way) => way.overrides),',
    replace: '      ...ways.flatMap((way) => way.overrides),',
  },
];

const guards: readonly Defect[] = [
  {
    name: 'offers to allow the disk that the host runs from',
    file: 'engine/allowance.ts',
    find: "reasons.includes('root-disk')",
    replace: "reasons.includes('held') && false",
  },
  {
    name: 'takes an overlay for a file system without disks',
    file: 'observe/uses/system-places.ts',
    find: "if (type !== 'overlay') return [];",
    replace: 'if (type !== undefined) return [];',
  },
  {
    name: 'takes half a default route for none',
    file: 'observe/uses/default-routes.ts',
    find: 'const WIDEST = { 4: 2, 6: 4 } as const;',
    replace: 'const WIDEST = { 4: 0, 6: 0 } as const;',
  },
  {
    name: 'takes it for no default route when ip does not tell',
    file: 'observe/uses/default-routes.ts',
    find: 'unknown: told ? [] :',
    replace: 'unknown: told || !told ? [] :',
  },
  {
    name: 'takes a device that the host uses',
    file: 'plan/judge.ts',
    find: 'judgeUse(current, judgeNeed(current, snapshot))',
    replace: 'judgeNeed(current, snapshot)',
  },
  {
    name: 'looks only at assigned devices for what the host uses',
    file: 'observe/uses/uses.ts',
    find: 'const takeable = devices.filter(isTakeable);',
    replace: 'const takeable = devices.slice(0, 1).filter(isTakeable);',
  },
  {
    name: 'does not look at disks',
    file: 'observe/uses/uses.ts',
    find: '    ...(withDisks.length > 0 ? await diskUses(host, withDisks, deadlineMs) : []),\n',
    replace: '',
  },
  {
    name: 'does not look at keyboards',
    file: 'observe/uses/uses.ts',
    find: '    ...(withKeyboards.length > 0 ? keyboardUses(host, withKeyboards) : []),\n',
    replace: '',
  },
  {
    name: 'takes a device for free when it could not see who has it open',
    file: 'observe/uses/uses.ts',
    find: '    ...unseenHolders(nodes, held),\n',
    replace: '',
  },
  {
    name: 'takes a connection for none of ssh when a server of it was not looked at to the end',
    file: 'observe/uses/unseen.ts',
    find: 'if (sockets.every((socket) => known.has(socket))) continue;',
    replace: 'continue;',
  },
  {
    name: 'looks at no program for the sessions of ssh',
    file: 'observe/uses/network.ts',
    find: 'return /^(?:sshd|dropbear)\\b/.test(name);',
    replace: 'return /^(?:ssh|dropbear)$/.test(name);',
  },
  {
    name: 'does not look at processes that hold a device',
    file: 'observe/uses/uses.ts',
    find: '    ...heldUses({ host, nodes, holders: held.holders }),\n',
    replace: '',
  },
  {
    name: 'does not look at the screen',
    file: 'observe/uses/uses.ts',
    find: '    ...graphicsUses(host, takeable),\n',
    replace: '',
  },
];

const steps: readonly Defect[] = [
  {
    name: 'believes every write',
    file: 'steps/index.ts',
    find: "  if (wrong === undefined) return outcome;\n  return { kind: 'failed',",
    replace: "  if (wrong !== '') return outcome;\n  return { kind: 'failed',",
  },
  {
    name: 'calls a refused write a failure although the host is as wished',
    file: 'steps/index.ts',
    find: 'return wrong === undefined && outcome.errno !== undefined ?',
    replace: 'return wrong === "" && outcome.errno !== undefined ?',
  },
  {
    name: 'calls a refused write a success',
    file: 'steps/index.ts',
    find: 'return wrong === undefined && outcome.errno !== undefined ?',
    replace: 'return outcome.errno !== undefined ?',
  },
  {
    name: 'reads back after a write that has not returned',
    file: 'steps/index.ts',
    find: "  if (outcome.kind === 'stuck') return outcome;\n",
    replace: '',
  },
  {
    name: 'writes what is so already',
    file: 'steps/index.ts',
    find: "if (await definition.already(step, host, deadlineMs)) return { kind: 'skipped' };",
    replace: 'await definition.already(step, host, deadlineMs);',
  },
  {
    name: 'does not read back a bind',
    file: 'steps/bind.ts',
    find: 'now === driver ? undefined :',
    replace: "now !== '' ? undefined :",
  },
  {
    name: 'does not read back an unbind',
    file: 'steps/unbind.ts',
    find: 'driver === undefined ? undefined : `it is',
    replace: "driver !== '' ? undefined : `it is",
  },
  {
    name: 'does not read back an attribute',
    file: 'steps/set.ts',
    find: "      case 'other':\n",
    replace: "      case 'other':\n        return undefined;\n",
  },
  {
    name: 'clears an attribute by no write at all',
    file: 'steps/set.ts',
    find: 'outcomeOf(await host.write(path, step.to, deadlineMs), path, sentences)',
    replace:
      "outcomeOf(step.to === '' ? { kind: 'written' } : await host.write(path, step.to, deadlineMs), path, sentences)",
  },
  {
    name: 'takes a vanished device for one without an override',
    file: 'steps/set.ts',
    find: "if (text === undefined) return { kind: 'absent' };",
    replace: "if (text === undefined) return { kind: step.to === '' ? 'as-wished' : 'absent' };",
  },
  {
    name: 'reads an override without a deadline',
    file: 'steps/attributes.ts',
    find: "    locked: true,\n    unset: '(null)',",
    replace: "    unset: '(null)',",
  },
  {
    name: 'does not see BARs that the kernel lost',
    file: 'steps/resize-bar.ts',
    find: 'if (lost.length === 0) return result;',
    replace: 'if (lost.length >= 0) return result;',
  },
  {
    name: 'does not look at the BARs of the card’s other functions',
    file: 'steps/resize-bar.ts',
    find: 'slotFunctions(host, device).flatMap((address) =>',
    replace: '[device].flatMap((address) =>',
  },
  {
    name: 'does not read back the size of a BAR',
    file: 'steps/resize-bar.ts',
    find: 'size === to ? undefined : `it is',
    replace: 'size !== -1 ? undefined : `it is',
  },
  {
    name: 'writes the size in MiB and not its power of two',
    file: 'steps/resize-bar.ts',
    find: 'await host.write(path, String(bit), deadlineMs)',
    replace: 'await host.write(path, String(to / 2 ** 20), deadlineMs)',
  },
  {
    name: 'takes a loaded module for a registered driver',
    file: 'steps/load-module.ts',
    find: 'if (isThere(step, host)) return Promise.resolve(undefined);',
    replace: "if (step.module !== '') return Promise.resolve(undefined);",
  },
];

const engine: readonly Defect[] = [
  {
    name: 'writes the claim after the first change',
    file: 'engine/hand-over.ts',
    find: '  recordIntent(engine, intent, locks, earlier === undefined);\n',
    replace: '',
  },
  {
    name: 'turns allow_unsafe_interrupts off although another guest needs it',
    file: 'plan/unsafe-interrupts.ts',
    find: 'isOn === true && !isOurs(others)',
    replace: 'isOn === true',
  },
  {
    name: 'turns allow_unsafe_interrupts on without a record',
    file: 'engine/unsafe-interrupts.ts',
    find: '    store.write(recorded, locks);\n',
    replace: '',
  },
  {
    name: 'leaves the claim of a start that could not record it',
    file: 'engine/hand-over.ts',
    find: 'if (isFirst)',
    replace: 'if (isFirst && claim.groups.length === 0)',
  },
  {
    name: 'does not undo what was done',
    file: 'engine/hand-over.ts',
    find: 'const undone = await rollBack(',
    replace:
      "const undone = { kind: 'restored', notes: [] } as GiveBackResult; const not = (...args: unknown[]) => [args, rollBack]; not(",
  },
  {
    name: 'goes on after a step that failed',
    file: 'engine/hand-over.ts',
    find: "onFailure: 'stop',",
    replace: "onFailure: 'next-device',",
  },
  {
    name: 'forgets the write that has not returned',
    file: 'engine/hand-over.ts',
    find: 'stuck: troubles.flatMap(({ stuck }) => stuck ?? []) },',
    replace: 'stuck: [] },',
  },
  {
    name: 'starts the guest on a claim that it could not finish',
    file: 'engine/hand-over.ts',
    find: 'failures.length > 0 ? failures : recordHeld(engine, claim, locks)',
    replace: 'failures.length > 0 ? failures : recordHeld(engine, claim, locks).slice(1e9)',
  },
  {
    name: 'takes no lock',
    file: 'engine/prepare.ts',
    find: '  locks.groups(concern.groups);\n',
    replace: '',
  },
  {
    name: 'keeps its locks for ever',
    file: 'engine/prepare.ts',
    find: '    locks.release();\n',
    replace: '',
  },
  {
    name: 'hands over beside a claim that it cannot read',
    file: 'engine/plan-start.ts',
    find: '  refuseDamaged(stored);\n',
    replace: '',
  },
  {
    name: 'touches a device whose earlier write has not returned',
    file: 'engine/plan-start.ts',
    find: '  refuseBlocked(host, stored.claims, groups);\n',
    replace: '',
  },
  {
    name: 'forgets devices that the guest is not assigned any more',
    file: 'engine/prepare.ts',
    find: 'own && (await giveBackDropped(engine, own, plan, locks));',
    replace: 'own;',
  },
  {
    name: 'takes the claim from another run of the same guest that is at work',
    file: 'engine/plan-start.ts',
    find: '  if (own) refuseOtherRun(engine, own);\n',
    replace: '',
  },
  {
    name: 'ignores a refusal',
    file: 'engine/prepare.ts',
    find: 'if (refused) throw refused;',
    replace: '',
  },
  {
    name: 'ignores a signal',
    file: 'engine/hand-over.ts',
    find: '    interrupted: engine.interrupted,\n',
    replace: '',
  },
  {
    name: 'restores a group that a guest has open',
    file: 'engine/give-back.ts',
    find: "host.tryOpen(sysfs.vfioGroup(group)) === 'busy'",
    replace: "host.tryOpen(sysfs.vfioGroup(group)) === 'denied'",
  },
  {
    name: 'removes the claim although something is not back',
    file: 'engine/give-back.ts',
    find: 'if (leftovers.length > 0) {',
    replace: 'if (leftovers.length > 1e9) {',
  },
  {
    name: 'touches a device whose write still waits while it gives back',
    file: 'engine/give-back.ts',
    find: 'only.filter(({ address }) => !blocked.includes(address))',
    replace: 'only',
  },
  {
    name: 'waits a whole deadline for each write that does not return',
    file: 'engine/execute.ts',
    find: '  budget.writeIsStuck();\n',
    replace: '',
  },
  {
    name: 'names nobody who has the device open that a write waits for',
    file: 'engine/execute.ts',
    find: "step.kind === 'unbind' ? await nodesOf(host, step.device, deadlineMs) : []",
    replace: '[]',
  },
  {
    name: 'believes that it is done when no step failed',
    file: 'engine/give-back.ts',
    find: 'const PASSES = 2;',
    replace: 'const PASSES = 0;',
  },
  {
    name: 'looks once only after giving back',
    file: 'engine/give-back.ts',
    find: 'const PASSES = 2;',
    replace: 'const PASSES = 1;',
  },
  {
    name: 'drops the claim when only some of its devices were given back',
    file: 'engine/give-back.ts',
    find: 'if (kept.length > 0) engine.store.write(withDevices(claim, kept), locks);\n  else engine',
    replace: 'engine',
  },
  {
    name: 'does not give back because the claim cannot be updated',
    file: 'engine/give-back.ts',
    find: '    const message = error instanceof Error ? error.message : String(error);\n',
    replace: '    if (error instanceof Error) throw error;\n    const message = String(error);\n',
  },
  {
    name: 'ends the whole way back at the first failure',
    file: 'engine/give-back.ts',
    find: "onFailure: 'next-device',",
    replace: "onFailure: 'stop',",
  },
  {
    name: 'gives back by the claim from before it had the lock',
    file: 'engine/release.ts',
    find: `  const locks = lockRun(engine, owner, defaultConfig.timeouts.lock);
  try {
    const [current] = engine.store.one(claimKey(owner)).claims;
`,
    replace: `  const [current] = engine.store.one(claimKey(owner)).claims;
  const locks = lockRun(engine, owner, defaultConfig.timeouts.lock);
  try {
`,
  },
  {
    name: 'gives back what a younger life of the guest has',
    file: 'engine/younger.ts',
    find: 'writer.startTime > host.self().startTime',
    replace: 'writer.startTime > Infinity + host.self().startTime',
  },
  {
    name: 'gives back in groups that are not locked',
    file: 'engine/release.ts',
    find: '    locks.groups(current.groups);\n',
    replace: '',
  },
  {
    name: 'removes a younger claim in the place of one of an earlier boot',
    file: 'engine/recover.ts',
    find: 'if (engine.store.one(key).outdated.length > 0) ',
    replace: '',
  },
  {
    name: 'takes no lock of a claim, and writes it all the same',
    file: 'engine/lock.ts',
    find: 'giveUp: takeLock(name, began + leftMs, options)',
    replace: "giveUp: 'claim' in name ? () => undefined : takeLock(name, began + leftMs, options)",
  },
  {
    name: 'gives the lock of a claim up before the claim is written',
    file: 'engine/release.ts',
    find: '    const reason = reasonToLeave(current);\n',
    replace: '    const reason = reasonToLeave(current);\n    locks.release();\n',
  },
  {
    name: 'gives a lock up as soon as it has it',
    file: 'engine/lock.ts',
    find: '      leftMs = Math.max(0,',
    replace: '      held.at(-1)?.giveUp();\n      leftMs = Math.max(0,',
  },
  {
    name: 'lets a run change a claim whose lock it does not have',
    file: 'engine/claim-store.ts',
    find: 'if (by.holds({ claim: key })) return;',
    replace: "if (by.holds({ claim: key }) || key !== '') return;",
  },
  {
    name: 'takes the locks of claims after all others',
    file: 'engine/lock-name.ts',
    find: "if ('claim' in name) return 0;",
    replace: "if ('claim' in name) return 3;",
  },
  {
    name: 'takes what is shared after the groups',
    file: 'engine/lock-name.ts',
    find: "'shared' in name ? 1 : 2",
    replace: "'shared' in name ? 2 : 1",
  },
  {
    name: 'lets a run ask for a lock that comes before one that it has',
    file: 'engine/lock.ts',
    find: 'if (!last || compareLocks(last, name) < 0) return;',
    replace: 'if (!last || compareLocks(last, name) !== 1e9) return;',
  },
  {
    name: 'changes what is shared without its lock',
    file: 'engine/prepare.ts',
    find: '  locks.shared(concern.shared);\n',
    replace: '',
  },
  {
    name: 'has the whole time again for each lock that it waits for',
    file: 'engine/lock.ts',
    find: 'leftMs = Math.max(0, leftMs - (options.now() - began));',
    replace: '',
  },
  {
    name: 'removes the lock file of a claim that is there',
    file: 'engine/lock.ts',
    find: 'claims.length + damaged.length + outdated.length === 0',
    replace: 'claims.length + damaged.length + outdated.length >= 0',
  },
  {
    name: 'gives back what was detached meanwhile, under no lock of its claim',
    file: 'engine/reattach.ts',
    find: 'if (detached.some(({ claim }) => !locks.holds({ claim: claimKey(claim.owner) }))) return undefined;',
    replace: '',
  },
  {
    name: 'does not look for writes of a run that died',
    file: 'engine/blocked.ts',
    find: '    ...found.map(({ device, what, writer }) => ({ device, step: what, path: what, writer })),\n',
    replace: '',
  },
  {
    name: 'says nothing when a release is not complete',
    file: 'engine/release.ts',
    find: 'if (troubles[0]) throw troubles[0];',
    replace: '',
  },
  {
    name: 'recovers under a running guest',
    file: 'engine/recover.ts',
    find: "if (host.tryOpen(sysfs.vfioGroup(group)) !== 'busy') continue;",
    replace: "if (host.tryOpen(sysfs.vfioGroup(group)) !== 'denied') continue;",
  },
  {
    name: 'recovers under a guest that is starting',
    file: 'engine/recover.ts',
    find: 'age >= 0 && age < STARTING_MS;',
    replace: 'age >= 0 && age < 0;',
  },
  {
    name: 'recovers under a run that is at work',
    file: 'engine/recover.ts',
    find: 'working && host.isAlive(claim.writer)',
    replace: 'working && !host.isAlive(claim.writer)',
  },
  {
    name: 'recovers under a QEMU that has not opened its devices',
    file: 'engine/recover.ts',
    find: 'if (!qemu || ',
    replace: 'if (!qemu || qemu.pid > 0 || ',
  },
  {
    name: 'changes the host in a dry run',
    file: 'engine/recover.ts',
    find: 'else if (options.dryRun) done.push(',
    replace: 'else if (options.dryRun && done.length > 1e9) done.push(',
  },
  {
    name: 'does not wait for a write of a run that has died',
    file: 'engine/release.ts',
    find: 'await waitForOrphans(engine, current, stuck)',
    replace: 'await waitForOrphans(engine, current, stuck.slice(stuck.length))',
  },
  {
    name: 'drops a claim whose BARs are not back',
    file: 'engine/give-back.ts',
    find: 'leftovers: left, stuck: [] };',
    replace: 'leftovers: left.slice(left.length), stuck: [] };',
  },
  {
    name: 'believes a pid file that others may write to',
    file: 'host/linux/libvirt.ts',
    find: ' && (stats.mode & 0o022) === 0',
    replace: '',
  },
  {
    name: 'does not look at processes after a crash',
    file: 'engine/blocked.ts',
    find: 'const found = crashed ? host.blockedWrites().flatMap(deviceOf) : [];',
    replace: 'const found = crashed ? [] : host.blockedWrites().flatMap(deviceOf);',
  },
  {
    name: 'trusts a writer’s pid without its start time',
    file: 'host/linux/processes.ts',
    find: 'Number(fields[19]) === startTime && ',
    replace: '',
  },
  {
    name: 'takes the locks in the order in which the groups are named',
    file: 'engine/lock.ts',
    find: '[...names].sort(compareLocks)',
    replace: '[...names]',
  },
  {
    name: 'waits for a lock without an end',
    file: 'engine/flock.ts',
    find: 'Math.max(0, deadline - options.now())',
    replace: 'Math.max(60_000, deadline - options.now())',
  },
  {
    name: 'goes on without the lock when the time is up',
    file: 'engine/flock.ts',
    find: 'if (result.status === NOT_IN_TIME) return false;',
    replace: 'if (result.status === NOT_IN_TIME) return waitMs > 0;',
  },
  {
    name: 'follows a link in place of a lock file',
    file: 'engine/flock.ts',
    find: 'O_RDWR | O_CREAT | O_NOFOLLOW, 0o600',
    replace: 'O_RDWR | O_CREAT, 0o600',
  },
  {
    name: 'writes the claim in its place, without renaming',
    file: 'engine/durable.ts',
    find: 'const temporary = join(directory, `.${basename(path)}.new`);',
    replace: 'const temporary = join(directory, `${basename(path)}`);',
  },
  {
    name: 'does not sync the claim',
    file: 'engine/durable.ts',
    find: '      fsyncSync(fd);\n    } finally {\n      closeSync(fd);\n    }\n    renameSync',
    replace: '    } finally {\n      closeSync(fd);\n    }\n    renameSync',
  },
  {
    name: 'accepts a state directory that others can enter',
    file: 'engine/durable.ts',
    find: '(stats.mode & 0o077) === 0',
    replace: '(stats.mode & 0o007) >= 0',
  },
  {
    name: 'trusts a claim of an earlier boot',
    file: 'engine/claim-store.ts',
    find: 'read.claim.bootId !== bootId',
    replace: "read.claim.bootId === ''",
  },
  {
    name: 'trusts a claim under another guest’s name',
    file: 'engine/claim-store.ts',
    find: 'fileName(claimKey(read.claim.owner)) !== name',
    replace: "name === ''",
  },
  {
    name: 'believes a claim whose checksum is wrong',
    file: 'engine/claim-store.ts',
    find: "if ('reason' in decoded || isIntact(text)) return decoded;",
    replace: "if ('reason' in decoded || isIntact(text) || text !== '') return decoded;",
  },
  {
    name: 'ignores claims that cannot be read',
    file: 'engine/claim-store.ts',
    find: "if ('reason' in read) damaged.push({ path, reason: read.reason });",
    replace: "if ('reason' in read) continue;",
  },
  {
    name: 'gives a step no deadline of its own',
    file: 'engine/execute.ts',
    find: 'const outcome = await attempt(step, host, deadlineMs);',
    replace: 'const outcome = await attempt(step, host, deadlineMs * 1000);',
  },
  {
    name: 'goes on with a device after one of its steps failed',
    file: 'engine/execute.ts',
    find: '      given.add(subject);\n',
    replace: '',
  },
];

const sharing: readonly Defect[] = [
  {
    name: 'knows no state but that with every wish in force',
    file: 'resource/share.ts',
    find: 'return Array.from({ length: 2 ** open.length }, (_, mask) => {',
    replace: 'return [2 ** open.length - 1].map((mask) => {',
  },
  {
    name: 'takes the original from the host while others hold the thing',
    file: 'resource/plan-holds.ts',
    find: 'all[0]?.hold.original ?? seen.state',
    replace: 'seen.state',
  },
  {
    name: 'does not count the dead at a start',
    file: 'resource/plan-holds.ts',
    find: 'before: all.map(counted),',
    replace: 'before: all.map(counted).filter(({ settled }) => settled),',
  },
  {
    name: 'does not count the dead on a way back',
    file: 'resource/plan-holds.ts',
    find: '[...others.map(counted), { wish, settled: false }]',
    replace: '[...others.map(counted).filter(({ settled }) => settled), { wish, settled: false }]',
  },
  {
    name: 'takes every claim for one that is in force',
    file: 'resource/plan-holds.ts',
    find: "settled: claim.state === 'held'",
    replace: 'settled: true',
  },
  {
    name: 'takes what a run left between two writes for somebody else’s',
    file: 'resource/share.ts',
    find: 'return isAmong(rule, expected, now)',
    replace: 'return expected.some((state) => isSame(state, now))',
  },
  {
    name: 'changes what somebody else has set',
    file: 'resource/share.ts',
    find: "isAmong(rule, expected, now) ? { kind: 'change', to } : { kind: 'foreign', expected }",
    replace: "isAmong(rule, expected, now) ? { kind: 'change', to } : { kind: 'change', to: { ...to } }",
  },
  {
    name: 'takes a pool that is on its way for somebody else’s',
    file: 'resource/tuning/hugepages.ts',
    find: "  gradual: ['pages'],\n",
    replace: '',
  },
  {
    name: 'knows what it left after any number of runs that have not ended',
    file: 'resource/share.ts',
    find: 'if (open.length > MOST_OPEN) return [];',
    replace: '',
  },
  {
    name: 'gives back what others still want',
    file: 'resource/plan-holds.ts',
    find: `    after: others.map(({ hold }) => hold.wish),
    // An`,
    replace: `    after: [],
    // An`,
  },
  {
    name: 'wants something else without giving the earlier back first',
    file: 'resource/plan-holds.ts',
    find: 'isOf(wish)(hold) && isSame(wish.wish, hold.wish)',
    replace: 'isOf(wish)(hold)',
  },
  {
    name: 'gives back in the order of a start',
    file: 'resource/plan-holds.ts',
    find: `  const planned = inOrder(holds)
    .reverse()
`,
    replace: `  const planned = inOrder(holds)
`,
  },
  {
    name: 'tunes before it makes',
    file: 'resource/plan-holds.ts',
    find: 'stageOf(a) - stageOf(b)',
    replace: 'stageOf(b) - stageOf(a)',
  },
  {
    name: 'makes steps although something is refused',
    file: 'resource/plan-holds.ts',
    find: 'changes: refusals.length > 0 ? [] : planned.flatMap(({ change }) => change ?? []),\n  };',
    replace: 'changes: planned.flatMap(({ change }) => change ?? []),\n  };',
  },
  {
    name: 'holds one pool in two ways at once',
    file: 'resource/tuning/hugepages.ts',
    find: '(a.node === undefined) !== (b.node === undefined)',
    replace: 'a.node !== undefined && b.node !== undefined && a.node === b.node && false',
  },
  {
    name: 'puts the wish in place of the pages that are there',
    file: 'resource/tuning/hugepages.ts',
    find: 'wishes.reduce((sum, wish) => sum + wish.pages, pages)',
    replace: 'wishes.length === 0 ? pages : wishes.reduce((sum, wish) => sum + wish.pages, 0)',
  },
  {
    name: 'takes huge pages away that somebody uses',
    file: 'resource/tuning/hugepages.ts',
    find: 'if (facts.busy <= to.pages) return undefined;',
    replace: 'if (facts.busy >= 0) return undefined;',
  },
  {
    name: 'takes huge pages away that are promised',
    file: 'resource/tuning/read-hugepages.ts',
    find: 'usedPages(host, whole) + reserved',
    replace: 'usedPages(host, whole) + reserved * 0',
  },
  {
    name: 'takes the memory that the host needs',
    file: 'resource/tuning/hugepages.ts',
    find: 'if (more <= seen.facts.room) return [];',
    replace: 'if (more >= 0) return [];',
  },
  {
    name: 'compacts no memory',
    file: 'resource/tuning/hugepages.ts',
    find: 'to.pages - state.pages > facts.whole && facts.compacts',
    replace: 'to.pages < 0',
  },
  {
    name: 'counts pages that are only lent to a pool',
    file: 'observe/hugepages.ts',
    find: "(readPoolFile(host, pool, 'surplus_hugepages') ?? 0)",
    replace: '0',
  },
  {
    name: 'takes the administrator’s virtual functions for its own',
    file: 'resource/sriov/vfs.ts',
    find: 'original.count > 0 || wishes.length === 0',
    replace: 'wishes.length === 0',
  },
  {
    name: 'lets two guests want different numbers of virtual functions',
    file: 'resource/sriov/vfs.ts',
    find: 'others.find(({ wish: { count } }) => count !== wish.count)',
    replace: 'others.find(({ wish: { count } }) => count > wish.count)',
  },
  {
    name: 'goes from one number of virtual functions to another',
    file: 'resource/sriov/vfs.ts',
    find: 'if (seen.state.count > 0 && to.count > 0) {',
    replace: 'if (seen.state.count > to.count && to.count < 0) {',
  },
  {
    name: 'makes virtual functions of a card that a guest has',
    file: 'resource/sriov/vfs.ts',
    find: 'claims.find((claim) => isClaimedBy(claim, device))?.owner',
    replace: 'claims.find((claim) => isClaimedBy(claim, device) && claim.devices.length === 0)?.owner',
  },
  {
    name: 'takes virtual functions away while one is open',
    file: 'resource/sriov/vfs.ts',
    find: "to.count < state.count && facts.open !== ''",
    replace: 'to.count < 0',
  },
  {
    name: 'writes 0 virtual functions while one is open',
    file: 'steps/attributes.ts',
    find: "(to === '0' ? openFunction(host, device) : undefined)",
    replace: "(to === '' ? openFunction(host, device) : undefined)",
  },
  {
    name: 'makes virtual functions before drivers of the host leave them alone',
    file: 'resource/sriov/vfs.ts',
    find: '[...power, ...autoprobe, ...number]',
    replace: '[...number, ...autoprobe, ...power]',
  },
  {
    name: 'promises virtual functions that nobody asked for',
    file: 'resource/sriov/vfs.ts',
    find: 'asked.includes(address) && !deviceAt(snapshot, address)',
    replace: '!deviceAt(snapshot, address)',
  },
  {
    name: 'reads a claim that holds one thing twice',
    file: 'claim/decode.ts',
    find: 'if (ids.size < all.length)',
    replace: 'if (ids.size > all.length)',
  },
  {
    name: 'takes any text for the key of a hold',
    file: 'claim/hold-form.ts',
    find: 'return forms[kind].key(key) ?',
    replace: 'return forms[kind].key(key) || key.length > 0 ?',
  },
];

const hostDefects: readonly Defect[] = [
  {
    name: 'ignores the deadline of a child',
    file: 'host/linux/child.ts',
    find: '}, options.deadlineMs);',
    replace: '}, options.deadlineMs + 3_600_000);',
  },
  {
    name: 'keeps the pipes of a child that hangs',
    file: 'host/linux/child.ts',
    find: 'for (const stream of streams) stream?.destroy();',
    replace: '',
  },
  {
    name: 'waits for a child that hangs',
    file: 'host/linux/child.ts',
    find: '      child.unref();\n',
    replace: '',
  },
  {
    name: 'runs children in its own session, so that a signal to the hook reaches them',
    file: 'host/linux/child.ts',
    find: '      detached: true,\n',
    replace: '',
  },
  {
    name: 'leaves out the newline of a write',
    file: 'host/linux/host.ts',
    find: 'input: `${value}\\n`,',
    replace: 'input: value,',
  },
  {
    name: 'creates attributes that are not there',
    file: 'programs.ts',
    find: "'conv=nocreat,notrunc'",
    replace: "'conv=notrunc'",
  },
  {
    name: 'takes every answer of the kernel for a success',
    file: 'host/linux/host.ts',
    find: "return result.status === 0 ? { kind: 'written' }",
    replace: "return result.status >= 0 ? { kind: 'written' }",
  },
  {
    name: 'takes a busy VFIO group for a free one',
    file: 'host/reading.ts',
    find: "  if (errno === 'EBUSY') return 'busy';\n  if (errno === 'EACCES'",
    replace: "  if (errno === 'EACCES'",
    survives: 'only the node of a real VFIO group answers EBUSY; test/lab/cases/refusals.ts has it',
  },
  {
    name: 'counts a dead process that is not reaped yet as alive',
    file: 'host/linux/processes.ts',
    find: " && fields[0] !== 'Z'",
    replace: '',
  },
  {
    name: 'does not mark its writers',
    file: 'host/linux/host.ts',
    find: '    environment: { [WRITER_VARIABLE]: `${path} ${value}` },\n',
    replace: '',
  },
  {
    name: 'believes any user’s process that says it is a writer',
    file: 'host/linux/writers.ts',
    find: 'if (path === undefined || !isRoots(pid)) return [];',
    replace: 'if (path === undefined) return [];',
  },
  {
    name: 'reads "(null)" as the name of a driver',
    file: 'observe/read-device.ts',
    find: "line === '(null)' ||",
    replace: '',
  },
  {
    name: 'sees no members of a group but the assigned device',
    file: 'observe/read-members.ts',
    find: 'addresses: names.flatMap((name) => parsePciAddress(name) ?? []),',
    replace: 'addresses: names.flatMap((name) => parsePciAddress(name) ?? []).slice(0, 1),',
  },
  {
    name: 'sees no members of a group that are no PCI devices',
    file: 'observe/read-members.ts',
    find: 'others: names.filter((name) => parsePciAddress(name) === undefined),',
    replace: 'others: [],',
  },
  {
    name: 'takes a device whose ids it cannot read for one that is gone',
    file: 'observe/read-device.ts',
    find: 'const ids = idsOf(modalias) ?? notAnId(address, modalias);',
    replace: 'const ids = idsOf(modalias);\n  if (!ids) return undefined;',
  },
];

/** Every defect, by the folder that it is in. */
export const defects: readonly Defect[] = [
  ...plan,
  ...guards,
  ...steps,
  ...engine,
  ...sharing,
  ...hostDefects,
];
