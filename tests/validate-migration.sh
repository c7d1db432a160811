#!/usr/bin/env bash
# Checks a deployment after a migration: is the schema there, does the service answer and see it, is it quick?
# Usage: DATABASE_URL=… tests/validate-migration.sh https://SERVICE
# Needs `innovation` on the PATH. Exit code 0: all passed, 1: a check failed, 3: something could not be asked, 64: usage.
set -uo pipefail

if (($# != 1)); then
  echo 'usage: DATABASE_URL=… tests/validate-migration.sh https://SERVICE' >&2
  exit 64
fi
service=${1%/}

# How long the service's own questions to its database may take; usual are a few milliseconds.
database_ms_max=1000

worst=0
pass() { echo "  ok      $1"; }
# fail CODE WHAT NEXT
fail() {
  echo "  FAILED  $2"
  echo "          next: $3"
  # A failed check says more than one that could not be made.
  if ((worst != 1)); then worst=$1; fi
}

echo "Testing the migration behind $service"

status=$(innovation migrate status 2>&1)
case $? in
  0) pass 'all migrations are applied' ;;
  1) fail 1 "the schema is not that of this version:"$'\n'"$status" 'innovation migrate deploy' ;;
  *) fail 3 "the database cannot be asked: $status" 'set DATABASE_URL' ;;
esac

health=$(innovation healthcheck --url "$service/api/health" 2>&1)
case $? in
  0) pass 'the service accepts runs' ;;
  1) fail 1 "the service does not accept runs: $health" "innovation healthcheck --json --url $service/health/deep" ;;
  *) fail 3 "$health" 'railway logs' ;;
esac

# What the service itself sees; one line of JSON, with the checks' fields in the order of their names.
if deep=$(innovation healthcheck --json --url "$service/health/deep" 2>/dev/null); then
  if [[ $deep == *'"schema":"ok"'* ]]; then
    pass 'the service sees the new schema'
  else
    fail 1 'the service does not see the new schema' "innovation healthcheck --json --url $service/health/deep"
  fi
  if [[ $deep =~ \"elapsed_ms\":([0-9]+),\"name\":\"database\",\"status\":\"ok\" ]]; then
    ms=${BASH_REMATCH[1]}
    if ((ms < database_ms_max)); then
      pass "the service's database answers in $ms ms"
    else
      fail 1 "the service's database took $ms ms" 'railway logs --service postgres'
    fi
  else
    fail 1 "the service's database is not well" "innovation healthcheck --json --url $service/health/deep"
  fi
else
  fail 3 'the service tells no details' "innovation healthcheck --json --url $service/health/deep"
fi

if ((worst != 0)); then
  echo 'Migration: not valid'
  exit "$worst"
fi
echo 'Migration: valid'
