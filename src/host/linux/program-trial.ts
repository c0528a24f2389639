import { options, type OptionedProgram } from '../../programs.ts';
import { runBounded, type ChildResult } from './child.ts';

type Ended = Extract<ChildResult, { readonly kind: 'exited' }>;

/** A harmless call of a program with the options that it must know, and whether it did what it was asked for. */
interface Trial {
  readonly args: readonly string[];
  readonly input?: string;
  readonly isFit: (ended: Ended) => boolean;
}

const FILE = '/proc/sys/kernel/osrelease';
const succeeds = ({ status }: Ended): boolean => status === 0;

const trials: Readonly<Record<OptionedProgram, Trial>> = {
  dd: { args: ['of=/dev/null', ...options.dd], input: '\n', isFit: succeeds },
  grep: {
    args: [...options.grep, '--', FILE],
    isFit: ({ status, stdout }) => status === 0 && stdout.startsWith(`${FILE}\0`),
  },
  flock: { args: [...options.flock, '-w', '0.500', '/dev/null', 'true'], isFit: succeeds },
  // Shows what it would load. A kernel without the module is none of its faults.
  modprobe: {
    args: [...options.modprobe, '-D', '--', 'vfio-pci'],
    isFit: ({ stderr }) => !/(?:unrecognized|invalid|unknown) option|usage:/i.test(stderr),
  },
  logger: { args: [...options.logger, '--id=1', '--version'], isFit: succeeds },
  ip: { args: options.ip, isFit: succeeds },
};

/**
 * Tries whether a program knows the options that this one gives it: undefined when it does, else what it says. Nothing
 * is changed by it. Throws VH_INSTALLATION when there is no such program.
 */
export async function tryProgram(program: OptionedProgram, deadlineMs: number): Promise<string | undefined> {
  const { args, input = '', isFit } = trials[program];
  const result = await runBounded(program, args, { input, deadlineMs });
  if (result.kind === 'stuck') return 'it does not end';
  if (isFit(result)) return undefined;
  const [said = ''] = result.stderr.trim().split('\n');
  return said === '' ? `it ended with status ${result.status}` : said;
}
