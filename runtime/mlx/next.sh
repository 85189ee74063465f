#!/bin/sh
# next.sh [MLX [OPENBLAS]] writes newer versions of MLX and OpenBLAS, or these, into the file of versions,
# with the digests that the package index has for their wheels. mlx-c's source comes by vendor.sh, which
# is to be run first. Then: make setup && make test.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PYTHON=${PYTHON:-python3}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# report NAME[==VERSION] TAG writes what pip would install, without installing it.
report() {
	"$PYTHON" -m pip install --quiet --disable-pip-version-check --dry-run --ignore-installed --no-deps --only-binary :all: \
		--platform "$2" --target "$tmp/none" --report "$tmp/report.json" "$1"
}

# read EXPRESSION prints what Python makes of the report's one item.
item() { "$PYTHON" -c "import json,sys; i=json.load(open(sys.argv[1]))['install'][0]; print($1)" "$tmp/report.json"; }

mlx=${1-} openblas=${2-}
[ -n "$mlx" ] || { report mlx-cpu manylinux_2_35_x86_64; mlx=$(item "i['metadata']['version']"); }
[ -n "$openblas" ] || { report scipy-openblas32 manylinux_2_28_x86_64; openblas=$(item "i['metadata']['version']"); }
while read -r name platform; do
	report "$name" "$platform"
	item "i['download_info']['archive_info']['hashes']['sha256']+'  '+i['download_info']['url'].split('#')[0].split('/')[-1]" >>"$tmp/wheels"
done <<WHEELS
mlx-cpu==$mlx manylinux_2_35_x86_64
mlx-cpu==$mlx manylinux_2_35_aarch64
mlx-cuda-13==$mlx manylinux_2_35_x86_64
mlx-metal==$mlx macosx_14_0_arm64
scipy-openblas32==$openblas manylinux_2_28_x86_64
scipy-openblas32==$openblas manylinux_2_28_aarch64
WHEELS
LC_ALL=C sort -k2 "$tmp/wheels" >"$here/wheels.sha256"
sed -i "s/^mlx_version=.*/mlx_version=$mlx/; s/^openblas_version=.*/openblas_version=$openblas/" "$here/versions"
echo "MLX $mlx, OpenBLAS $openblas"
