#!/bin/sh
# npm test: installs what is needed, builds, type-checks, lints, and runs every test. Arguments go to mocha.
set -eu
cd "$(dirname "$0")/.."
. scripts/install-if-missing.sh

# The oldest Node that the hook must run on, kept apart: its bin would come before the developer's own node.
if [ ! -d test/node18/node_modules ] && [ "$(uname -sm)" = 'Linux x86_64' ]; then
    npm ci --prefix test/node18 --ignore-scripts --no-audit --no-fund
fi

npm run --silent build
npm run --silent check
# Files of tests go side by side: as many as there are processors.
exec node_modules/.bin/mocha --jobs "$(nproc)" "$@"
