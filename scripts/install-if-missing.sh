# Read by the other scripts, from the project's folder: installs what the lock file says when it is not there.

# To build and to test takes a newer Node than the hook does (src/oldest-node.ts). npm would refuse it in the name of a
# package that nobody has heard of.
needed_node='20.19'
found_node=$(node --version 2>/dev/null) || found_node='there is none'
new_enough() {
    [ "${1%%.*}" -gt "${needed_node%.*}" ] && return
    minor=${1#*.}
    [ "${1%%.*}" -eq "${needed_node%.*}" ] && [ "${minor%%.*}" -ge "${needed_node#*.}" ]
}
if ! new_enough "${found_node#v}" 2>/dev/null; then
    printf '%s\n' "error: building and testing takes Node.js $needed_node or later, and the node of PATH is: $found_node" \
        'hint: install a newer one; the hook itself runs on older ones, and a build that is there needs no npm: ./install.sh' >&2
    exit 1
fi

if [ ! -d node_modules/esbuild ]; then
    npm ci --ignore-scripts --no-audit --no-fund
fi
