#!/usr/bin/env bash
# The wheel, not the tree: built from the sdist, installed on the lowest and the newest Python, used from an empty folder.
#
# On the lowest it is the whole path. On others there may be no small build of torch: there, everything that the package needs but torch
# (and what is built on it) is installed, and the phases that need none are run. What pip would install on a newer Python than is here
# is resolved and said.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
LOWEST=3.11
OTHERS=(3.14 3.13 3.12)
WITHOUT=torch,accelerate,peft,trl  # on a Python without a CPU build of torch

interpreter() {  # of this version, by name or from pyenv; nothing when there is none
  local found
  for found in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if "$found" -c "import sys, venv; assert '%d.%d' % sys.version_info[:2] == '$1'" 2>/dev/null; then
      command -v "$found"
      return
    fi
  done
}

cd "$work"
"$root/.venv/bin/python" -m build --outdir dist "$root" >build.log 2>&1 || { cat build.log; exit 1; }
wheel=$(echo dist/*.whl)
"$root/.venv/bin/python" "$root/.ci/wheel_contents.py" "$wheel" "$root"

environment() {  # NAME PYTHON: a fresh environment; prints its interpreter
  "$2" -m venv "$1"
  echo "$work/$1/bin/python"
}

is_the_wheel() {  # PYTHON: what is imported must be what was installed
  (cd "$work/empty" && "$1" -c "import silly_llm; assert 'site-packages' in silly_llm.__file__, silly_llm.__file__")
}

mkdir empty
lowest=$(interpreter "$LOWEST")
[ -n "$lowest" ] || { echo "check_wheel: no Python $LOWEST, the lowest that setup.cfg promises, is here"; exit 1; }
echo "== Python $LOWEST ($lowest): everything"
python=$(environment lowest "$lowest")
# The libraries are those of .venv, where they are installed already; its own silly-llm is not seen by this.
echo "$root"/.venv/lib/python"$LOWEST"/site-packages >"$(echo lowest/lib/python*/site-packages)/libraries.pth"
"$python" -m pip install --quiet --no-deps --ignore-installed "$wheel"
is_the_wheel "$python"
"$root/.venv/bin/python" "$root/.ci/check_installed.py" "$python" "$work/empty"

newest=
for version in "${OTHERS[@]}"; do
  newest=$(interpreter "$version")
  if [ -n "$newest" ]; then break; fi
  echo "== Python $version: NOT RUN, no interpreter here; what pip would install:"
  "$lowest" -m pip install --quiet --dry-run --ignore-installed --target "$work/none" --python-version "$version" \
    --only-binary=:all: --report "$work/report.json" "$wheel" >resolve.log 2>&1 || { cat resolve.log; exit 1; }
  "$lowest" -c "import json; print(len(json.load(open('$work/report.json'))['install']), 'packages, all there')"
done
[ -n "$newest" ] || { echo "check_wheel: no Python above $LOWEST is here, so the newest was NOT tried"; exit 1; }
echo "== Python $version ($newest): all but $WITHOUT"
python=$(environment newest "$newest")
"$root/.venv/bin/python" - "$wheel" "$WITHOUT" >needs.txt <<'PY'
import sys
from email import message_from_bytes
from zipfile import ZipFile

wheel, without = ZipFile(sys.argv[1]), sys.argv[2].split(",")
metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
for need in message_from_bytes(wheel.read(metadata)).get_all("Requires-Dist"):
    if "extra ==" not in need and not need.startswith(tuple(without)):
        print(need)
PY
"$python" -m pip install --quiet --constraint "$root/constraints.txt" --requirement needs.txt
"$python" -m pip install --quiet --no-deps "$wheel"
is_the_wheel "$python"
mkdir elsewhere
"$root/.venv/bin/python" "$root/.ci/check_installed.py" "$python" "$work/elsewhere" --without-torch
echo "== the wheel works on Python $LOWEST and, but for $WITHOUT, on $version"
