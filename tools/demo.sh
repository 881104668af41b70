#!/bin/sh
# Installs PneumoScore into .venv and runs its demonstration on synthetic films.
# Needs Python 3.11 or newer with venv. Only the installation uses the network.
# Usage: sh tools/demo.sh [FOLDER]
set -eu
cd "$(dirname "$0")/.."
. tools/python.sh

make_environment .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check .
exec .venv/bin/pneumoscore demo "${1:-pneumoscore-demo}"
