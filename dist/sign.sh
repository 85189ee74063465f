#!/bin/sh
# Signs a release that `make dist` built, with its own qimport:
#
#   dist/sign.sh KEY REPOSITORY
#
# KEY is a file with a private key in PEM, REPOSITORY the address that the statement names beside the commit
# that is checked out. Into dist/out (or OUT) come qimport.intoto.jsonl, one statement on all files of the
# release, and qimport-release.pub, the key to check it by. It is checked before anything is said to be signed.
set -eu

[ $# = 2 ] || { sed -n 's/^# \{0,1\}//; 2,8p' "$0" >&2; exit 2; }
dist=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$dist/out}
qimport=$out/.work/qimport
key=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
commit=$(git -C "$dist" rev-parse HEAD)

cd "$out"
sha256sum --quiet -c SHA256SUMS
openssl pkey -in "$key" -pubout -out qimport-release.pub
source=$2
set --
for file in $(sed 's/^[0-9a-f]*  //' SHA256SUMS) SHA256SUMS qimport.rb; do
	[ ! -f "$file" ] || set -- "$@" --file "$file"
done
"$qimport" attest "$@" --source "$source" --revision "$commit" --key "$key" --out qimport.intoto.jsonl
"$qimport" check-attestation "$@" --from qimport.intoto.jsonl --key qimport-release.pub --require "source=$source,revision=$commit" --quiet
