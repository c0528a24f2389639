import { VfioHookError } from '../errors.ts';
import { escapeControl } from '../text.ts';

/** A message repeats names of elements and attributes as they are; a hostile one may be as long as the document. */
const LONGEST_PROBLEM = 600;

/**
 * Throws VH_XML: the guest cannot be started because of what its XML says. Values in `problem` are quoted by
 * the caller; whatever else of the document is in it cannot drive a terminal or fill a log.
 */
export function refuse(problem: string, cause?: unknown): never {
  const shown = problem.length > LONGEST_PROBLEM ? `${problem.slice(0, LONGEST_PROBLEM)}…` : problem;
  throw new VfioHookError('VH_XML', `cannot read the domain XML: ${escapeControl(shown)}`, { cause });
}
