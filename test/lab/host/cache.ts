import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

/** A thing that the lab builds once and keeps. */
export interface Artefact {
  /** The directory that holds it. */
  readonly directory: string;
  /** What it was made from, as a short hash; part of the directory's name and of the keys of what is made from it. */
  readonly key: string;
}

/** What is needed to make an {@link Artefact}. */
export interface Recipe {
  /** Where artefacts of this kind are kept, such as `.lab/rootfs`. */
  readonly shelf: string;
  /** Which of its kind, such as `trixie`. */
  readonly name: string;
  /** Everything that decides what comes out: texts of scripts, lists of packages, keys of other artefacts. */
  readonly inputs: readonly string[];
  /** What a person reads while it is made. */
  readonly title: string;
  /** Fills the directory. */
  readonly build: (directory: string) => void;
}

/**
 * Gives the artefact from the cache, or makes it. It is made under another name and moved into place when it is
 * complete, so that an interrupted build leaves nothing that looks finished; older ones of the same name go.
 */
export function obtain(recipe: Recipe): Artefact {
  const key = createHash('sha256').update(JSON.stringify(recipe.inputs)).digest('hex').slice(0, 12);
  const directory = path.join(recipe.shelf, `${recipe.name}-${key}`);
  if (existsSync(directory)) return { directory, key };

  mkdirSync(recipe.shelf, { recursive: true });
  const started = Date.now();
  for (const old of readdirSync(recipe.shelf)) {
    if (old.startsWith(`${recipe.name}-`))
      rmSync(path.join(recipe.shelf, old), { recursive: true, force: true });
  }
  const unfinished = `${directory}.unfinished`;
  mkdirSync(unfinished);
  recipe.build(unfinished);
  renameSync(unfinished, directory);
  console.log(`  ${recipe.title} (${((Date.now() - started) / 1000).toFixed(0)} s)`);
  return { directory, key };
}
