#!/usr/bin/env bash
# Finds secrets: in the added lines of the staged diff, or in every file that git knows.
# Usage: scripts/find-secrets.sh --staged | --all
# Exit code 0: none, 1: at least one, 64: usage. A line that holds `not-a-secret` is exempt. No secret is printed whole.
set -euo pipefail
cd "$(dirname "$0")/.."

patterns=(
  '-----BEGIN ([A-Z]+ )*PRIVATE KEY-----'
  '(AKIA|ASIA)[0-9A-Z]{16}'                          # Amazon's access keys
  'sk-(or|ant|proj)-[A-Za-z0-9_-]{24,}'              # OpenRouter, Anthropic, OpenAI
  'gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,}'
  'npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,}'
  'ipk_[A-Za-z0-9_-]{43}'                            # keys of this service
  'xox[abprs]-[A-Za-z0-9-]{20,}'                     # Slack
  'vercel_blob_rw_[A-Za-z0-9]{16}_[A-Za-z0-9]{20,}'
  'postgres(ql)?://[^:@/ ]+:[A-Za-z0-9_-]{16,}@'     # an address with a password that no person would type
  # A setting of ours with a value: NAME=VALUE and NAME: VALUE, as in .env and in YAML.
  '([A-Z0-9_]*(API_KEYS?|SECRET|SECRET_ACCESS_KEY|TOKEN|PASSWORD|METRICS_KEY))["'"'"']?[:=] *["'"'"']?[A-Za-z0-9+/_-]{24,}'
)
any=$(IFS='|'; echo "${patterns[*]}")

# A file of this name holds secrets, whatever stands in it.
names='(^|/)(\.env(\.[a-z]+)?|id_(rsa|ecdsa|ed25519)|[^/]*\.(pem|key|p12|pfx))$'

case ${1-} in
  --staged)
    # "file:line", for each added line.
    lines() {
      git diff --cached --no-color --no-ext-diff --src-prefix=a/ --dst-prefix=b/ --unified=0 --diff-filter=ACMR | awk '
        /^\+\+\+ / { file = substr($0, 7); next }
        /^@@ /     { split($3, at, ","); line = substr(at[1], 2); next }
        /^\+/      { print file ":" line++ ":" substr($0, 2) }'
    }
    files() { git diff --cached --name-only --diff-filter=ACMR; }
    ;;
  --all)
    lines() { git grep --no-color -InE -e '.' -- .; }
    files() { git ls-files; }
    ;;
  *)
    echo 'usage: scripts/find-secrets.sh --staged | --all' >&2
    exit 64
    ;;
esac

found=0
while IFS= read -r hit; do
  # The place, and the first characters of the match.
  rest=${hit#*:}
  echo "secret?  ${hit%%:*}:${rest%%:*}  $(grep -oE -m1 -e "$any" <<<"${rest#*:}" | head -n1 | cut -c1-12)…" >&2
  found=1
done < <(lines | grep -E -e "$any" | grep -v 'not-a-secret' || true)
while IFS= read -r name; do
  echo "secret?  $name  is a file for secrets" >&2
  found=1
done < <(files | grep -E "$names" | grep -v '^\.env\.example$' || true)

if ((found)); then
  echo 'remove it and replace the key, which counts as known; or mark the line with: not-a-secret' >&2
  exit 1
fi
