#!/bin/sh
# npm run test:packages: makes every package and looks at it with the tools of the distributions that it is for. As root, with apt, it
# installs those that are missing; without one of the first three there is nothing to be said about packages.
set -eu
cd "$(dirname "$0")/../.."
. scripts/install-if-missing.sh

needed='lintian rpm shellcheck'
# Each for tests that are skipped, with the reason, where it cannot be had.
others='rpmlint makepkg pacman-package-manager libarchive-tools selinux-policy-dev selinux-policy-default setools nix-bin'

is_there() { dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

updated=no
for package in $needed $others; do
    if is_there "$package" || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then continue; fi
    if [ $updated = no ]; then
        apt-get -qq update
        updated=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "$package" >/dev/null ||
        printf 'test:packages: %s cannot be installed\n' "$package" >&2
done
for program in dpkg-deb lintian rpmbuild shellcheck; do
    command -v "$program" >/dev/null || {
        printf 'test:packages: error: there is no %s; on Debian: apt install %s\n' "$program" "$needed" >&2
        exit 1
    }
done

npm run --silent build
exec node_modules/.bin/mocha --no-config --node-option import=tsx --reporter test/reporter.cjs --timeout 300000 \
    --forbid-only --parallel --jobs "$(nproc)" 'test/package/*.test.ts' "$@"
