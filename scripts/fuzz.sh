#!/usr/bin/env bash
# Runs every fuzz target for a while, on the stable toolchain (without a sanitizer, which needs nightly).
# Usage: scripts/fuzz.sh SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?usage: scripts/fuzz.sh SECONDS}

if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "installing cargo-fuzz (once)"
  cargo install cargo-fuzz --locked --quiet
fi

for target in $(cargo fuzz list); do
  echo "== $target for $seconds s"
  # The memory limit is the isolated child's own; a slower unit than 10 s would meet its CPU limit.
  cargo fuzz run --sanitizer none "$target" -- -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10
done
