#!/bin/sh
# The real-kernel lab: test/lab/README.md. It boots what is in the tree now, so that is built first.
set -eu
cd "$(dirname "$0")/../.."
. scripts/install-if-missing.sh
npm run --silent build
exec node --import tsx test/lab/run.ts "$@"
