#!/bin/sh
# Makes a virtual environment by uv and installs there, beside PyTorch and RecBole, what is named:
#   sh scripts/environment.sh FOLDER PYTHON REQUIREMENT...
#   sh scripts/environment.sh --find 3.12     prints the path of that Python, or nothing where there is none
# Where PYTHON is '' it is the machine's 3.11, 3.13 or 3.12; one that the machine has not is brought by uv.
set -eu
cd "$(dirname "$0")/.."
TOOLS=.tools
UV=$(command -v uv || echo "$TOOLS/bin/uv")

fail() {
    echo "$*" >&2
    exit 2
}

# The Python itself, not an environment made from it, which may be the one to be made anew.
base() {
    [ -n "$1" ] && "$1" -c 'import sys; print(sys._base_executable)' 2>/dev/null
}

# Under pyenv python3.12 may be on PATH and yet only say that it is not chosen; hence the second and third look.
find_python() {
    for candidate in "python$1" "$(pyenv prefix "$1" 2>/dev/null | sed "s|$|/bin/python$1|")" \
        "$("$UV" python find --system --no-python-downloads "$1" 2>/dev/null)"; do
        if base "$candidate"; then return; fi
    done
}

if [ "$1" = --find ]; then
    find_python "$2"
    exit
fi

folder=$1 wanted=${2##*/}
wanted=${wanted#python}
python=$(base "$2" || true)
shift 2
for version in ${wanted:-3.11 3.13 3.12}; do
    if [ -z "$python" ]; then python=$(find_python "$version"); fi
done

host=
for candidate in "$python" python3 python; do
    if [ -z "$host" ] && "${candidate:-false}" -m pip --version >/dev/null 2>&1; then host=$candidate; fi
done
if ! "$UV" --version >/dev/null 2>&1; then
    [ -n "$host" ] || fail "there is neither uv nor a Python with pip to install it: install one of them"
    "$host" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --upgrade --target "$TOOLS" -c constraints.txt uv ||
        fail "pip could not install uv: install it and try again"
fi
if [ -n "$host" ]; then eval "$("$host" scripts/pip_settings.py)"; fi

rm -rf "$folder"
if [ -n "$python" ]; then
    "$UV" venv --quiet --python "$python" "$folder"
else
    "$UV" venv --quiet --python "${wanted:-3.11}" "$folder" 2>/dev/null ||
        fail "there is no Python ${wanted:-3.11, 3.12 or 3.13} here and uv could not bring one:" \
            "install one and name it, as in: make test PYTHON=python3.13"
fi

install() {
    VIRTUAL_ENV=$folder "$UV" pip install --quiet --constraint constraints.txt "$@"
}

# The PyTorch that fits this machine, CPU or CUDA, is smallest from its own index; where pip was told of other
# places, or that index is out of reach, it is the one of PyPI.
[ -n "${UV_DEFAULT_INDEX-}${UV_INDEX-}${UV_FIND_LINKS-}" ] || install --torch-backend=auto torch 2>/dev/null || true

# With LOCKED set nothing is installed whose hash requirements.lock does not know, but for PyTorch (see scripts/lock.sh).
# What is then left for the last line is PyTorch and this project itself.
if [ -n "${LOCKED-}" ]; then install --no-deps --require-hashes --requirement requirements.lock; fi
install torch recbole "$@"
