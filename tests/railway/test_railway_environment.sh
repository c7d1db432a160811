#!/usr/bin/env bash
# Checks a deployment from the inside: are files, database and variables there as the service needs them?
# Run it where the service runs, as its user:
#   railway ssh -- /app/tests/railway/test_railway_environment.sh
# All checks are made; each failed one names what to do next. Exit code 0: all passed, 1: not.
#
# What people are to type is not for this shell to expand:
# shellcheck disable=SC2016
set -uo pipefail

base=${APP_BASE_DIR:-/app}
failed=0
pass() { echo "  ok      $1"; }
fail() {
  echo "  FAILED  $1"
  echo "          next: $2"
  failed=$((failed + 1))
}
# Whether a flag is on: unset is, and so are the words that the service takes for true.
is_on() { [[ -z ${!1-} || ${!1,,} =~ ^(true|1|yes|on)$ ]]; }
can_write() {
  local probe
  probe=$(mktemp "$1/railway-test.XXXXXX" 2>/dev/null) && rm "$probe"
}

echo "Testing the Railway environment below $base"

if brands=$(innovation brands --json 2>&1) && [[ $brands == *'"brand_name":"Lactalis"'*'"id":"lactalis-canada"'* ]]; then
  pass 'brand profiles are there and sound'
else
  fail "brand profiles: $brands" 'innovation brands'
fi

if ! is_on ENABLE_DATABASE_WRITES; then
  pass 'the database is switched off (ENABLE_DATABASE_WRITES)'
elif status=$(innovation migrate status 2>&1); then
  pass 'the database is reached, and all migrations are applied'
elif (($? == 3)); then
  fail "the database cannot be asked: $status" 'set DATABASE_URL to the reference ${{Postgres.DATABASE_URL}}'
else
  fail 'the database lacks migrations' 'innovation migrate deploy'
fi

if can_write "${TMPDIR:-/tmp}"; then
  pass 'temporary files can be written'
else
  fail "${TMPDIR:-/tmp} cannot be written to" 'set TMPDIR to a folder that can'
fi
if ! is_on ENABLE_FILE_FALLBACK; then
  pass 'files are switched off (ENABLE_FILE_FALLBACK)'
elif can_write "$base/data/test-outputs"; then
  pass 'results can be written'
else
  fail "$base/data/test-outputs cannot be written to by user $(id -u)" \
    'if it is a volume, set RAILWAY_RUN_UID=0: Railway gives volumes to root'
fi

# Either of two names; `need NAMES WHAT-TO-DO`.
need() {
  local name
  for name in $1; do
    [[ -z ${!name-} ]] || { pass "$name is set"; return; }
  done
  fail "none of $1 is set" "$2"
}
need 'RAILWAY_ENVIRONMENT RAILWAY_ENVIRONMENT_NAME' 'run this in the deployment: railway ssh'
need 'BACKEND_API_KEYS ALLOW_UNAUTHENTICATED' 'set BACKEND_API_KEYS to a key from `openssl rand -hex 32`'
if [[ ${ANALYST-} != extractive ]]; then
  need 'OPENROUTER_API_KEY' 'set it, or ANALYST=extractive to do without a model'
fi
if is_on ENABLE_DATABASE_WRITES; then
  need 'DATABASE_URL' 'set it to the reference ${{Postgres.DATABASE_URL}}'
fi

if ((failed > 0)); then
  echo "Railway environment: $failed checks failed"
  exit 1
fi
echo 'Railway environment: all checks passed'
