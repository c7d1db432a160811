#!/usr/bin/env bash
# Writes the bill of materials of the binary `innovation` (CycloneDX 1.5, JSON) to FILE. Needs cargo-cyclonedx.
# Usage: scripts/sbom.sh FILE
set -euo pipefail
file=$(realpath -m "${1:?usage: scripts/sbom.sh FILE}")
cd "$(dirname "$0")/.."

# The time of the commit, so that one commit has one bill.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# cargo-cyclonedx writes beside the manifest of each package, by a name of its own.
written=backend/innovation_bin.cdx.json
trap 'rm -f "$written"' EXIT
cargo cyclonedx --quiet --format json --spec-version 1.5 --describe binaries
mkdir -p "$(dirname "$file")"
# The references to the workspace's own crates hold the folder of this machine.
sed "s|file://$PWD|file://.|g" "$written" >"$file"
echo "$file"
