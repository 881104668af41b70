#!/bin/sh
# Installs everything development needs into .venv-dev and runs all checks and tests.
# Needs Python 3.11 or newer with venv. Arguments go to pytest: sh tools/test.sh -m "not slow"
set -eu
cd "$(dirname "$0")/.."
. tools/python.sh

make_environment .venv-dev
bin=$PWD/.venv-dev/bin
pip() { "$bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

# On Linux the plain PyTorch wheel brings gigabytes of CUDA; its own index has one without.
torch_index=https://download.pytorch.org/whl/cpu
if "$bin/python" -c "import torch" 2>/dev/null; then
    :
elif "$bin/python" -c "import urllib.request as r; r.urlopen('$torch_index/torch/', timeout=5)" 2>/dev/null; then
    pip --extra-index-url "$torch_index" torch==2.13.0
else
    pip torch==2.13.0
fi
pip --editable ".[dev]"

"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/lint-imports"
# Two at a time; the tests of one file share what they set up.
exec "$bin/pytest" -q -n 2 --dist loadfile "$@"
