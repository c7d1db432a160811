#!/usr/bin/env bash
# Installs what the tests need and this machine lacks. Says nothing and does nothing where all is there.
set -euo pipefail

# Debian's PostgreSQL packages put the server outside the PATH.
has_postgres() { command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

if ! cargo nextest --version >/dev/null 2>&1; then
  echo "installing cargo-nextest (once, some minutes)"
  cargo install cargo-nextest --locked --quiet
fi

if ! has_postgres; then
  if ! command -v apt-get >/dev/null; then
    echo "no PostgreSQL server found: install one (on macOS: brew install postgresql) and try again" >&2
    exit 1
  fi
  echo "installing the PostgreSQL server (once)"
  as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
  as_root apt-get update -qq
  # No cluster of the system's own: tests start theirs, in a temporary directory on a free port.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
