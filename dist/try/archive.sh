# try.sh archive FILE.tar.gz ROOT

if [ "$2" = - ]; then
	root=
	inside() { "$@"; }
	place=$scratch/qimport-try
	described() { sed -n 's/^PRETTY_NAME="\(.*\)"/\1, this machine/p' /etc/os-release; }
else
	root_of "$2"
	place=$root/qimport-try
fi
rm -rf "$place"
mkdir "$place"
trap 'rm -rf "$place"; rm -rf --one-file-system "$scratch"' EXIT
tar -xzf "$1" -C "$place" --strip-components=1
cp -R "$repository/demo.sh" "$repository/testdata" "$place/"
at=${place#"$root"}
inside "$at/bin/qimport" version
inside /bin/sh "$at/demo.sh"
say "$(basename "$1"): the demo runs in $(described)"
