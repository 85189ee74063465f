#!/bin/sh
# vendor.sh FOLDER VERSION packs the source of mlx-c, as far as setup.sh builds it, into
# mlx-c-VERSION.tar.gz beside this script, the same bytes whenever it is run, and writes version and
# digest into the file of versions. Needs GNU tar.
set -eu
[ $# = 2 ] && [ -f "$1/mlx/c/ops.cpp" ] || { echo "usage: vendor.sh FOLDER VERSION, the folder with mlx-c's source" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
archive=mlx-c-$2.tar.gz
rm -f "$here"/mlx-c-*.tar.gz
(cd "$1" && tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --format=ustar \
	--transform "s,^,mlx-c-$2/," -cf - LICENSE ACKNOWLEDGMENTS.md README.md mlx) | gzip -9n >"$here/$archive"
digest=$(sha256sum "$here/$archive" | cut -d' ' -f1)
sed -i "s/^mlxc_version=.*/mlxc_version=$2/; s/^mlxc_sha256=.*/mlxc_sha256=$digest/" "$here/versions"
