# Read by the other scripts, from the project's folder: installs what the lock file says when it is not there.
if [ ! -d node_modules/esbuild ]; then
    npm ci --ignore-scripts --no-audit --no-fund
fi
