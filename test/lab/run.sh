#!/bin/sh
# The real-kernel lab: test/lab/README.md. Installs the development packages first when they are missing.
set -eu
cd "$(dirname "$0")/../.."
[ -d node_modules ] || npm ci
exec node --import tsx test/lab/run.ts "$@"
