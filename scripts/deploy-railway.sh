#!/usr/bin/env bash
# Deploys the working tree to an environment on Railway, waits until the platform has switched to it, and validates it.
# Usage: SERVICE_URL=… DATABASE_URL=… scripts/deploy-railway.sh ENVIRONMENT
# Needs `railway` (with RAILWAY_TOKEN), `node`, and `innovation` on the PATH. RAILWAY_SERVICE names the service (backend).
# Exit code 0: deployed and valid, 1: the deployment or a check failed, 3: something could not be asked, 64: usage.
set -euo pipefail

if (($# != 1)) || [[ -z ${SERVICE_URL-} ]]; then
  echo 'usage: SERVICE_URL=… DATABASE_URL=… scripts/deploy-railway.sh ENVIRONMENT' >&2
  exit 64
fi
where=(--environment "$1" --service "${RAILWAY_SERVICE:-backend}")
here=$(cd "$(dirname "$0")/.." && pwd)

# Migrations, start and the first healthy answer: railway.json allows 120 s for the last.
wait_seconds=${DEPLOY_WAIT_SECONDS:-900}
poll_seconds=${DEPLOY_POLL_SECONDS:-5}

# The id and the status of the newest deployment, or nothing.
newest() {
  railway deployment list "${where[@]}" --limit 1 --json |
    node -p 'const [newest] = JSON.parse(require("fs").readFileSync(0)); newest ? newest.id + " " + newest.status : ""'
}

read -r before _ < <(newest) || before=
cd "$here"
# Ends with the build; the platform goes on alone.
railway up --ci "${where[@]}"

end=$((SECONDS + wait_seconds))
while true; do
  read -r id status < <(newest) || status=unknown
  if [[ ${id-} != "$before" ]]; then
    case $status in
      SUCCESS) break ;;
      FAILED | CRASHED | REMOVED | SKIPPED)
        echo "deployment $id is $status" >&2
        echo "next: railway logs $id" >&2
        exit 1
        ;;
    esac
  fi
  if ((SECONDS >= end)); then
    echo "after $wait_seconds s deployment ${id-?} is still $status" >&2
    echo "next: railway logs ${id-}" >&2
    exit 3
  fi
  sleep "$poll_seconds"
done
echo "deployment $id: $status"
exec "$here/tests/validate-migration.sh" "$SERVICE_URL"
