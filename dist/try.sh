#!/bin/sh
# Tries what `make dist` built, each as a user would meet it:
#
#   dist/try.sh archive FILE.tar.gz ROOT   the demo, with an archive with MLX
#   dist/try.sh deb FILE.deb ROOT          installs it with dpkg, then the demo; removes it again
#   dist/try.sh rpm FILE.rpm ROOT          the same with rpm of the machine, which sees to no dependencies
#   dist/try.sh qemu FILE.tar.gz           the demo on linux-arm64, emulated
#   dist/try.sh static FILE.tar.gz         imports by the linux-arm64 without MLX, emulated, beside those of this machine
#   dist/try.sh kernels FILE.tar.gz        tests of the kernels on linux-arm64, emulated, with the archive's MLX
#   dist/try.sh wine FILE.zip ROOT         imports by the program for Windows beside those of this machine's
#   dist/try.sh image FILE.deb ROOT        the image of dist/Containerfile, built, and asked for its version
#   dist/try.sh formula FOLDER             the syntax of qimport.rb, and its digests
#   dist/try.sh sbom FOLDER                each archive's list of what is inside against CycloneDX's schema
#   dist/try.sh same [PLATFORM...]         whether two clones of this commit give the same bytes
#   dist/try.sh setup                      how long `make demo` takes from a fresh clone, and for what
#
# ROOT is a folder with a system in which nothing else was installed, or the name of a suite that debootstrap
# makes one of: bookworm, trixie, noble. With archive and wine it may be -,
# this machine, with image the image that dist/Containerfile names. What is made is removed again. Roots and images want root.
#
#   QEMU   the emulator, in place of qemu-aarch64-static -cpu cortex-a72 -L /usr/aarch64-linux-gnu
set -eu
try=$(cd "$(dirname "$0")/try" && pwd)
repository=$(cd "$try/../.." && pwd)
QEMU=${QEMU:-qemu-aarch64-static -cpu cortex-a72 -L /usr/aarch64-linux-gnu}

usage() { sed -n 's/^# \{0,1\}//; 2,21p' "$0" >&2; exit 2; }
say() { printf 'try: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# What is to be removed at the end is in here.
scratch=$(mktemp -d)
# A root has this machine's user of files: nothing may be mounted in it when it is removed.
trap 'rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 1' INT TERM

# root_of ROOT [PACKAGE] sets root to a folder with a system. Nothing but the package is installed in one that is made.
root_of() {
	root=$1
	[ ! -d "$1" ] || return 0
	root=$scratch/root
	set -- "$1" ${2:+--include="$2"}
	suite=$1
	shift
	script=
	case $suite in
	noble)
		script=/usr/share/debootstrap/scripts/gutsy # that of every Ubuntu
		[ -e /usr/share/keyrings/ubuntu-archive-keyring.gpg ] || { set -- "$@" --no-check-gpg; say "there are no keys of Ubuntu here (ubuntu-keyring), so signatures are not checked"; }
		;;
	esac
	say "debootstrap $suite"
	debootstrap --variant=minbase "$@" "$suite" "$root" '' $script >"$scratch/debootstrap.log" 2>&1 || { tail -n 5 "$scratch/debootstrap.log" >&2; die "debootstrap made no $suite"; }
}

# inside COMMAND... runs in the root, where the loader finds lib/ by /proc: it is mounted for that command alone.
inside() {
	unshare -m sh -euc 'r=$1; shift; mount -t proc proc "$r/proc"; mount --bind /dev "$r/dev"; exec env -i HOME=/tmp LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$r" "$@"' - "$root" "$@"
}

# described says which system a root has.
described() { sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' "$root/etc/os-release"; }

case ${1-} in
archive | deb | rpm | wine | image) [ $# = 3 ] || usage ;;
qemu | static | kernels | formula | sbom) [ $# = 2 ] || usage ;;
setup) [ $# = 1 ] || usage ;;
same) ;;
*) usage ;;
esac
what=$1
shift
. "$try/$what.sh"
