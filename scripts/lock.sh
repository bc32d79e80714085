#!/bin/sh
# Renews requirements.lock, the hashes of all that is installed on Python 3.11, 3.12 and 3.13, in the versions of
# constraints.txt. Only the public index is asked: files of this machine are nobody else's.
set -eu
cd "$(dirname "$0")/.."
UV=$(command -v uv || echo .tools/bin/uv)
"$UV" --version >/dev/null 2>&1 || { echo "there is no uv yet: make install brings it" >&2; exit 2; }
eval "$("${1:-python3}" scripts/pip_settings.py)"
unset UV_INDEX UV_FIND_LINKS UV_INDEX_STRATEGY

# PyTorch comes as another file for CPUs and for each CUDA, from another index, and make chooses by the machine: no
# hash fits all. It is installed by its version alone, and so are the libraries of CUDA that it brings.
without=
for name in torch triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
    nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse \
    nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx; do
    without="$without --no-emit-package $name"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo recbole >"$work/recbole.in"  # on Python 3.12 and newer make installs it without its ray
# shellcheck disable=SC2086
"$UV" pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
    --no-emit-index-url --all-extras --constraint constraints.txt $without setup.py "$work/recbole.in" -o "$work/lock"
{
    echo "# Made by make lock from setup.py and constraints.txt. PyTorch is not here: see scripts/lock.sh."
    cat "$work/lock"
} >requirements.lock
