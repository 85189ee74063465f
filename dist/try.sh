#!/bin/sh
# try.sh ARCHIVE ROOT runs the demo of this repository with an archive with MLX, in a folder that holds a
# system: a root that debootstrap made, in which nothing else was installed. With RUN="qemu-aarch64-static -L
# FOLDER" it runs here under that emulator, which takes the system's libraries from the folder: no root
# is needed, and ROOT is -.
set -eu
[ $# = 2 ] || { echo "usage: try.sh ARCHIVE ROOT" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
if [ "$2" = - ]; then place=$(mktemp -d); else place=$2/qimport; rm -rf "$place"; fi
trap 'rm -rf "$place"' EXIT
mkdir -p "$place"
tar -xzf "$1" -C "$place" --strip-components=1
cp -R "$root/demo.sh" "$root/testdata" "$place/"
if [ -n "${RUN-}" ]; then
	mv "$place/bin" "$place/program"
	mkdir "$place/bin"
	printf '#!/bin/sh\nexec %s %s/program/qimport "$@"\n' "$RUN" "$place" >"$place/bin/qimport"
	chmod +x "$place/bin/qimport"
fi
if [ "$2" = - ]; then
	"$place/bin/qimport" version
	"$place/demo.sh"
else
	# The loader finds lib/ by /proc, which is mounted for these commands alone.
	unshare -m sh -euc 'mount -t proc proc "$1/proc"; chroot "$1" /qimport/bin/qimport version; chroot "$1" /bin/sh /qimport/demo.sh' - "$2"
fi
