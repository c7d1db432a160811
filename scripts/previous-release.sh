#!/usr/bin/env bash
# Builds the previous release into target/previous/innovation, for the tests in which replicas of two releases run side by side.
# tests/fixtures/previous-release/commit names it; it needs the repository's history.
set -euo pipefail
cd "$(dirname "$0")/.."
commit=$(cat tests/fixtures/previous-release/commit)
built=target/previous/commit
if [ -x target/previous/innovation ] && [ "$(cat "$built" 2>/dev/null)" = "$commit" ]; then exit 0; fi
if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
  echo "commit $commit is not in this clone: run git fetch --unshallow and try again" >&2
  exit 1
fi
mkdir -p target/previous
source=$PWD/target/previous/source
git worktree remove --force "$source" 2>/dev/null || rm -rf "$source"
git worktree prune
git worktree add --quiet --detach "$source" "$commit"
trap 'git worktree remove --force "$source"' EXIT
echo "building the previous release, $commit (once)"
# Its crash points are among its test features.
(cd "$source" && CARGO_TARGET_DIR="$PWD/../build" cargo build --quiet --locked --package backend --features testing)
cp target/previous/build/debug/innovation target/previous/innovation
echo "$commit" > "$built"
