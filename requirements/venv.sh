#!/bin/sh
# Makes or renews .venv at the repository's root from the hash-locked requirement files. A second call takes no time.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
venv="$root/.venv"
die() { echo "holdpoint set-up: $1" >&2; echo "  next: $2" >&2; exit 4; }

python=""
for name in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 || continue
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { python=$name; break; }
done
[ -n "$python" ] || die "no Python 3.11 or newer was found." "install python3.11, or call make PYTHON=/path/to/python3"

wanted=$(cat "$root/requirements/dev.txt" "$root/pyproject.toml" | sha256sum | cut -d' ' -f1)
if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.holdpoint" 2>/dev/null)" = "$wanted $venv" ] \
    && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    minor=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "holdpoint set-up: installing $minor-venv" >&2
        { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$minor-venv" \
            || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$minor-venv"; }; } >/dev/null 2>&1 \
            || die "$python cannot make virtual environments and $minor-venv could not be installed." "apt-get install $minor-venv"
    else
        die "$python cannot make virtual environments." "apt-get install $minor-venv (as root)"
    fi
fi

echo "holdpoint set-up: making .venv (hash-locked, about half a minute)" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$python" -m venv --clear "$venv" >"$log" 2>&1 || { cat "$log" >&2; die "the virtual environment could not be made." "see the lines above"; }
"$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$root/requirements/dev.txt" >"$log" 2>&1 \
    || { tail -n 5 "$log" >&2; die "the locked requirements could not be installed." "check that the package index is reachable, then try again"; }
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-index --no-deps --no-build-isolation -e "$root" >"$log" 2>&1 \
    || { tail -n 5 "$log" >&2; die "holdpoint itself could not be installed into .venv." "see the lines above"; }
printf '%s %s' "$wanted" "$venv" >"$venv/.holdpoint"
