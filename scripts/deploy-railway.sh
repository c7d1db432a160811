#!/usr/bin/env bash
# Deploys the working tree to an environment on Railway: checks its variables, tests, deploys, waits until the platform has switched to
# it, asks for its health, walks the golden path, and records the result. A deployment that fails after the switch is rolled back.
# Usage: SERVICE_URL=… DATABASE_URL=… scripts/deploy-railway.sh ENVIRONMENT
# Needs `railway` (with RAILWAY_TOKEN), `node`, and `innovation` on the PATH. RAILWAY_SERVICE names the service (backend).
#   SMOKE_KEY     an operator's key for the golden path; without it, only health and schema are checked
#   DEPLOY_TESTS  the command that tests before the deployment (make test); `true` where they have run already
# A rollback also needs RAILWAY_PROJECT_ID, RAILWAY_ENVIRONMENT_ID and RAILWAY_SERVICE_ID.
# Exit code 0: deployed and valid, 1: the deployment or a check failed, 3: something could not be asked, 64: usage.
set -euo pipefail

if (($# != 1)) || [[ -z ${SERVICE_URL-} ]]; then
  echo 'usage: SERVICE_URL=… DATABASE_URL=… scripts/deploy-railway.sh ENVIRONMENT' >&2
  exit 64
fi
environment=$1
where=(--environment "$environment" --service "${RAILWAY_SERVICE:-backend}")
here=$(cd "$(dirname "$0")/.." && pwd)
url=${SERVICE_URL%/}

# Migrations, start and the first healthy answer: railway.json allows 120 s for the last.
wait_seconds=${DEPLOY_WAIT_SECONDS:-900}
poll_seconds=${DEPLOY_POLL_SECONDS:-5}
health_attempts=${DEPLOY_HEALTH_ATTEMPTS:-10}
health_pause=${DEPLOY_HEALTH_PAUSE:-10}

say() { echo "$1" >&2; }

# The records of deployments are those of the environment and the service, not of this machine.
record_as() {
  ENVIRONMENT=$environment RAILWAY_SERVICE_NAME=${RAILWAY_SERVICE:-backend} innovation deploy "$@"
}

# record STATUS REASON: a record that cannot be written does not undo a deployment.
record() {
  local more=(--status "$1" --started-at "$started" --triggered-by "${DEPLOY_TRIGGERED_BY:-$(id -un)}")
  [[ -z ${2-} ]] || more+=(--reason "$2")
  if commit=$(git rev-parse HEAD 2>/dev/null); then more+=(--commit "$commit"); fi
  record_as record --id "$id" "${more[@]}" >/dev/null ||
    say "deployment $id could not be recorded; next: innovation deploy record --id $id --status $1"
}

# roll_back REASON: the deployment serves, and must not.
roll_back() {
  say "deployment $id is bad: $1"
  record failed "$1"
  say 'rolling back'
  # Named, because a deployment that never became healthy is not the one that serves by the records.
  if record_as rollback --from "$id" --reason "deployment $id: $1" >&2; then
    say 'the previous deployment is back, with its variables: look at mode in /health'
  else
    say 'the rollback failed; next: Deployments → Rollback in the dashboard, or innovation deploy rollback --dry-run --from ID --reason …'
  fi
  exit 1
}

# The id and the status of the newest deployment, or nothing.
newest() {
  railway deployment list "${where[@]}" --limit 1 --json |
    node -p 'const [newest] = JSON.parse(require("fs").readFileSync(0)); newest ? newest.id + " " + newest.status : ""'
}

say "1/6 the variables of $environment"
strict=()
[[ $environment != production ]] || strict=(--production)
railway variables "${where[@]}" --json | innovation env check --file - "${strict[@]}" >&2 || {
  code=$?
  say 'next: correct the variables above in the dashboard, then deploy again'
  exit "$code"
}

cd "$here"
say '2/6 the tests'
${DEPLOY_TESTS:-make test} >&2 || {
  say 'the tests fail, so nothing is deployed'
  exit 1
}

say '3/6 the deployment'
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
read -r before _ < <(newest) || before=
# Ends with the build; the platform goes on alone.
railway up --ci "${where[@]}"

end=$((SECONDS + wait_seconds))
while true; do
  read -r id status < <(newest) || status=unknown
  if [[ ${id-} != "$before" ]]; then
    case $status in
      SUCCESS) break ;;
      FAILED | CRASHED | REMOVED | SKIPPED)
        # The platform has not switched: the previous deployment serves on.
        say "deployment $id is $status; the previous one still serves"
        record failed "the platform says $status"
        say "next: railway logs $id"
        exit 1
        ;;
    esac
  fi
  if ((SECONDS >= end)); then
    say "after $wait_seconds s deployment ${id-?} is still $status"
    say "next: railway logs ${id-}"
    exit 3
  fi
  sleep "$poll_seconds"
done
say "deployment $id: $status"

say '4/6 its health'
for ((attempt = 1; ; attempt++)); do
  if health=$(innovation healthcheck --url "$url/health" 2>&1); then break; fi
  if ((attempt >= health_attempts)); then
    roll_back "no healthy answer in $health_attempts attempts: ${health:0:200}"
  fi
  say "attempt $attempt of $health_attempts: ${health:0:200}"
  sleep "$health_pause"
done
"$here/tests/validate-migration.sh" "$url" || {
  code=$?
  # A check that could not be made says nothing about the deployment.
  ((code == 1)) || { say 'the schema could not be checked; the deployment stays'; exit "$code"; }
  roll_back 'tests/validate-migration.sh failed'
}

say '5/6 the golden path'
if [[ -n ${SMOKE_KEY-} ]]; then
  innovation smoke "$url" --key-env SMOKE_KEY --record || {
    code=$?
    ((code == 1)) || { say 'the golden path could not be walked; the deployment stays'; exit "$code"; }
    roll_back 'the golden path failed'
  }
else
  say 'skipped: set SMOKE_KEY to an operator key'
fi

say '6/6 the record'
record success ''
echo "deployment $id of $environment is valid"
say 'the arbiter watches it: innovation deploy status'
