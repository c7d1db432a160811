#!/usr/bin/env bash
# Deploys a hotfix from this machine while the hosted pipelines are away. It skips the tests, and nothing else: variables, health, golden
# path, record and rollback are those of scripts/deploy-railway.sh.
# Usage: SERVICE_URL=… DATABASE_URL=… scripts/emergency-deploy.sh ENVIRONMENT REASON
# Exit code: that of scripts/deploy-railway.sh, 64: usage.
set -euo pipefail

if (($# != 2)) || [[ -z ${2// /} ]]; then
  echo 'usage: SERVICE_URL=… DATABASE_URL=… scripts/emergency-deploy.sh ENVIRONMENT REASON' >&2
  exit 64
fi
environment=$1 reason=$2
here=$(cd "$(dirname "$0")/.." && pwd)
say() { echo "$1" >&2; }

cd "$here"
say "EMERGENCY deployment to $environment: $reason"
say 'the tests are skipped'
if changed=$(git status --porcelain 2>/dev/null) && [[ -n $changed ]]; then
  say 'the tree has changes that no commit holds; they are deployed with it:'
  say "${changed:0:1000}"
fi

code=0
DEPLOY_TESTS=true DEPLOY_TRIGGERED_BY="emergency: $(id -un): ${reason:0:80}" "$here/scripts/deploy-railway.sh" "$environment" || code=$?

say 'afterwards:'
say '  1. commit the hotfix on a branch, and open its pull request at once'
say '  2. make test'
say '  3. innovation deploy status'
exit "$code"
