#!/bin/sh
# Fetches axe-core into .tools/, where the tests of pages find it. It looks for what keeps people from
# reading a page; nothing of it is in qimport, or needed by it.
set -eu
version=4.14.1
sha256=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745 # of the package
tools=$(cd "$(dirname "$0")/../.." && pwd)/.tools
[ ! -f "$tools/axe-$version/axe.min.js" ] || exit 0
command -v npm >/dev/null || { echo "axe: npm is missing (apt install npm)" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
npm pack --silent "axe-core@$version" >&2
echo "$sha256  axe-core-$version.tgz" | sha256sum --check --quiet >&2
tar xzf "axe-core-$version.tgz" package/axe.min.js package/LICENSE
rm -rf "$tools"/axe-*
mkdir -p "$tools"
mv package "$tools/axe-$version"
