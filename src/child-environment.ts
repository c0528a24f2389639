import { PROGRAM_DIRECTORIES } from './distribution.ts';

/**
 * What every child process gets of our environment, which is nothing: texts of errors in one language, and
 * the places where a distribution keeps its programs. A `PATH` from outside could name others.
 */
export const childEnvironment = { LC_ALL: 'C', PATH: PROGRAM_DIRECTORIES.join(':') } as const;
