#!/bin/sh
# npm run check: types, lint and format. Lint takes as long as both others, and goes beside them.
set -eu
cd "$(dirname "$0")/.."
bin=node_modules/.bin
"$bin/eslint" . &
lint=$!
status=0
"$bin/tsc" --noEmit || status=$?
"$bin/prettier" --check --log-level warn . || status=$?
wait "$lint" || status=$?
exit "$status"
