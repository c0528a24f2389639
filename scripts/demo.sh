#!/bin/sh
# npm run demo: a guest's whole life with the compiled hook, on a simulated machine.
set -eu
cd "$(dirname "$0")/.."
. scripts/install-if-missing.sh
npm run --silent build
exec dist/vfio-hook simulate \
    --host examples/hosts/amd-rdna3-desktop.yaml \
    --domain examples/domains/windows-11-rx7900xtx.xml \
    --config examples/configs/rdna3-bar2.yaml
