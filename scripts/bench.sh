#!/bin/sh
# npm run bench: what the hook costs, as ratios to a bare Node in the same run. --rounds N, default 30.
set -eu
cd "$(dirname "$0")/.."
. scripts/install-if-missing.sh
npm run --silent build
exec node_modules/.bin/tsx scripts/bench/bench.ts "$@"
