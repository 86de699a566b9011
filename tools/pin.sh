#!/usr/bin/env bash
# Renews constraints.txt: the newest versions that install together, from a clean environment.
# onnxruntime is held back: its later wheels are a third larger and bring nothing that the VAD needs.
# torch is held back: its libraries for a GPU weigh gigabytes, and 2.13 is the newest with a CPU build at hand. What it
# brings for a GPU is not pinned: a CPU build has none of it.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${1:-python3}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --editable ".[dev]" "onnxruntime<1.27" "torch==2.13.0"
{
  echo "# What CI installs. Renewed by tools/pin.sh; versions only."
  "$folder/bin/pip" freeze --exclude-editable --disable-pip-version-check |
    grep -vE '^(pip|nvidia-.*|cuda-.*|triton)==' | sed -E 's/[+]cpu$//' |
    sed -E 's/^pocketsphinx==(.*)$/pocketsphinx==\1; python_version != "3.12"\npocketsphinx==5.0.4; python_version == "3.12"/'
} > constraints.txt
