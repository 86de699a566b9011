#!/usr/bin/env bash
# Renews constraints.txt: the newest versions that install together, from a clean environment.
# onnxruntime is held back: its later wheels are a third larger and bring nothing that the VAD needs.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${1:-python3}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --editable ".[dev]" "onnxruntime<1.27"
{
  echo "# What CI installs. Renewed by tools/pin.sh; versions only."
  "$folder/bin/pip" freeze --exclude-editable --disable-pip-version-check | grep -v '^pip==' |
    sed -E 's/^pocketsphinx==(.*)$/pocketsphinx==\1; python_version != "3.12"\npocketsphinx==5.0.4; python_version == "3.12"/'
} > constraints.txt
