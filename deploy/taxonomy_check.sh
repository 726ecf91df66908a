#!/bin/sh
# The verbs of taxonomy_repo for a taxonomy elsewhere: what a pre-commit hook and a code host's action call. Needs
# Python 3.11 or newer; the two packages that checking needs are put into a cache, in their locked versions, unless
# that Python has them.
set -eu

project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Checking a taxonomy needs Python 3.11 or newer. Name it with PYTHON=..." >&2
    exit 2
fi
if ! "$python" -c 'import numpy, yaml' 2>/dev/null; then
    needed=$(grep -iE '^(numpy|pyyaml)==' "$project/requirements.lock")
    name=$(printf '%s %s' "$needed" "$("$python" -VV)" | cksum | cut -d' ' -f1)
    environment=${XDG_CACHE_HOME:-$HOME/.cache}/seedbed-check/$name
    if [ ! -e "$environment/ready" ]; then
        "$python" -m venv --clear "$environment"
        # shellcheck disable=SC2086 # two words, two packages
        "$environment/bin/python" -m pip install --quiet --disable-pip-version-check $needed
        : > "$environment/ready"
    fi
    python=$environment/bin/python
fi
# No folder of the taxonomy may stand in for a module.
PYTHONPATH=$project PYTHONSAFEPATH=1 exec "$python" -m taxonomy_repo "$@"
