import { existsSync, watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../errors.ts';
import type { Followed } from './log-follow.ts';

/**
 * Hears of each change of what is in a directory, which need not be there yet, and may go and come back: then the nearest one above
 * it that is there is watched for it. The kernel says when something has changed (inotify).
 */
export function watchDirectory(directory: string, onChange: () => void): Followed {
  let watcher: FSWatcher | undefined;
  let watched: string | undefined;
  const attend = (): void => {
    const nearest = nearestAbove(directory);
    if (nearest === watched) return;
    watcher?.close();
    watched = undefined;
    try {
      watcher = watch(nearest, changed);
      watcher.on('error', changed);
      watched = nearest;
    } catch (error) {
      // Gone between two calls: its own end comes as a change of the one above it.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    // What has come between the look and the watch.
    if (nearestAbove(directory) !== watched) attend();
  };
  const changed = (): void => {
    attend();
    onChange();
  };
  attend();
  return {
    stop: () => {
      watcher?.close();
    },
  };
}

function nearestAbove(path: string): string {
  return existsSync(path) || path === '/' ? path : nearestAbove(dirname(path));
}
