#!/usr/bin/env bash
# Lays out below FOLDER what the container image holds, and (after --) starts a command there as the image's user, with
# the image's PATH and working directory. The Dockerfile uses the first half, so the layout has one author.
# Usage: scripts/stage-image.sh FOLDER BINARY [-- COMMAND…]      for example: … -- innovation serve
set -euo pipefail
if (($# < 2)); then
  echo "usage: scripts/stage-image.sh FOLDER BINARY [-- COMMAND…]" >&2
  exit 64
fi
umask 022
folder=$1 binary=$2
shift 2
repository=$(cd "$(dirname "$0")/.." && pwd)

# Nobody in particular, by number: no entry in /etc/passwd is needed. The Dockerfile names the same.
user=10001

install -D -m 0755 "$binary" "$folder/usr/local/bin/innovation"
install -D -m 0755 "$repository/tests/railway/test_railway_environment.sh" -t "$folder/app/tests/railway"
for name in brand-profiles brand-research; do
  install -d -m 0755 "$folder/app/data/$name"
  find "$repository/data/$name" -type f -exec install -m 0644 -t "$folder/app/data/$name" {} +
done
# Only root can give it to the image's user; anybody else starts the binary as themselves, below.
install -d -m 0750 "$folder/app/data/test-outputs"
if (($(id -u) == 0)); then chown "$user:$user" "$folder/app/data/test-outputs"; fi

[[ ${1-} == -- ]] || exit 0
shift
folder=$(cd "$folder" && pwd)
as_user=()
if (($(id -u) == 0)); then
  as_user=(setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs)
fi
cd "$folder/app"
export APP_BASE_DIR="$folder/app" PATH="$folder/usr/local/bin:$PATH"
exec "${as_user[@]}" "$@"
