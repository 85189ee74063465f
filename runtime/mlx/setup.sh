#!/bin/sh
# Puts MLX and its C interface under <repository>/lib, where cgo and the built
# binary look for them:
#
#   lib/libmlxc.so            mlx-c, built here from the archive beside this script; it carries the way
#                             to OpenBLAS, and operations of the graph that functions of ours compute
#   lib/libscipy_openblas.so  OpenBLAS, which MLX's products are sent to
#   lib/mlx/lib/libmlx.so     MLX, from its wheel, with lib/mlx_*.libs beside it
#   lib/include/mlx/c         the headers
#   lib/pkgconfig/mlxc.pc     what `#cgo pkg-config: mlxc` reads
#   lib/licences              those of all of it
#
# An mlx-c that pkg-config or Homebrew already knows, of the version that fits, is used as it is.
# All work is done in .tools/setup and moved into place last, so that an interrupted
# run leaves nothing half done. Needs no root.
#
# For an NVIDIA GPU, run once with QIMPORT_MLX=cuda (Linux, a driver for CUDA 13;
# 2 GB); QIMPORT_MLX=cpu goes back. lib/ then also has
#
#   lib/nvidia                what MLX uses of CUDA, from NVIDIA's wheels
#   lib/mlx/include           headers for the kernels that MLX compiles at run time
#
#   QIMPORT_MLX=cpu|cuda  the MLX to bring; unset, the one that is there, or cpu
#   QIMPORT_LIB           a release of qimport, its archive or the folder it was unpacked to: its lib/
#                         is taken, and neither pip nor a C++ compiler is needed
#   QIMPORT_NVIDIA=system without lib/nvidia: the loader finds cuBLAS, cuDNN, cuFFT,
#                         NCCL and NVRTC of CUDA 13, and CUDA_HOME has the headers
#   PYTHON, CC, CXX, PKG_CONFIG  the programs to use, where they are not on the PATH
#   MLX_C_SOURCE          a folder with another source of mlx-c, in place of the archive
set -eu

lib_sh=$0
. "$(dirname "$0")/lib.sh"

root=$(cd "$here/../.." && pwd)
lib=$root/lib
tools=$root/.tools
work=$tools/setup

# choose_backend sets backend to the one asked for, else to that of lib/, else to cpu.
choose_backend() {
	backend=${QIMPORT_MLX:-cpu}
	if [ -z "${QIMPORT_MLX-}" ] && grep -q '^cuda ' "$lib/.stamp" 2>/dev/null; then backend=cuda; fi
	case $backend in
	cpu | cuda) ;;
	*) die "QIMPORT_MLX is $backend; known are cpu and cuda (on a Mac, MLX always has Metal)" ;;
	esac
	if [ "$(uname -s)" = Darwin ]; then backend=metal; fi
}

ready() { [ -f "$lib/.stamp" ] && [ "$(cat "$lib/.stamp")" = "$(stamp)" ]; }

# publish moves the new lib folder into place.
publish() {
	stamp >"$work/lib/.stamp"
	rm -rf "$tools/lib.old"
	if [ -e "$lib" ]; then mv "$lib" "$tools/lib.old"; fi
	mv "$work/lib" "$lib"
	rm -rf "$tools/lib.old" "$work"
	say "MLX is ready in $lib"
}

# system_pc asks pkg-config about mlx-c, leaving out what an earlier run wrote.
system_pc() {
	path=$(printf %s "${PKG_CONFIG_PATH-}" | tr : '\n' | grep -vxF "$lib/pkgconfig" | tr '\n' :)
	PKG_CONFIG_PATH=$path "$PKG_CONFIG" "$@" mlxc 2>/dev/null
}

# find_installed sets libdir and includedir where an mlx-c is installed whose first two numbers are ours.
find_installed() {
	fitting=${mlxc_version%.*}
	if [ "$backend" = cuda ]; then
		return 1
	elif case $(system_pc --modversion) in "$fitting" | "$fitting".*) ;; *) false ;; esac then
		libdir=$(system_pc --variable=libdir) includedir=$(system_pc --variable=includedir)
	elif have brew && prefix=$(brew --prefix mlx-c 2>/dev/null) && [ -f "$prefix/include/mlx/c/mlx.h" ]; then
		libdir=$prefix/lib includedir=$prefix/include
	else
		return 1
	fi
}

# lack WHAT PACKAGE notes what is missing, and Debian's package of it.
lack() {
	missing="$missing
setup:   $1"
	packages="$packages $2"
}

# need_tools ends the run with a list of all that is missing.
need_tools() {
	missing='' packages=''
	have "${GO%% *}" || lack "Go $(sed -n 's/^go //p' "$root/go.mod"), which Debian's may be too old for (or set GO)" ''
	have "$PKG_CONFIG" || lack "pkg-config" pkgconf
	have "${CC%% *}" || lack "a C compiler, which cgo needs (or set CC)" gcc
	if [ "$how" = build ]; then
		[ "$(uname -s)" != Darwin ] || lack "mlx-c: brew install mlx-c" ''
		have "${CXX%% *}" || lack "a compiler for C++20 (or set CXX)" g++
		"$PYTHON" -m pip --version >/dev/null 2>&1 || lack "Python 3 with pip, which fetches MLX's wheels (or set PYTHON)" python3-pip
	fi
	[ -n "$missing" ] || return 0
	say "missing are:$missing"
	[ "$(uname -s)" != Linux ] || say "on Debian and Ubuntu: apt install$packages"
	[ "$how" != build ] || say "or, in place of a C++ compiler and pip, a release of this version: QIMPORT_LIB=qimport-VERSION-PLATFORM.tar.gz"
	die "without MLX, CGO_ENABLED=0 make build needs Go alone, and does everything but run a model"
}

# wheels ARGUMENT... has pip unpack wheels into $work/wheels, as if into site-packages.
wheels() {
	for tag in manylinux_2_35 manylinux_2_28 manylinux_2_27 manylinux_2_18 manylinux_2_17 manylinux2014; do
		set -- --platform "${tag}_$(uname -m)" "$@"
	done
	PIP_ROOT_USER_ACTION=ignore "$PYTHON" -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-compile --no-cache-dir \
		--target "$work/wheels" --platform any "$@" || die "pip could not bring MLX or what it needs (see above): check the network, or the index that pip uses"
}

# nvidia brings the wheels of NVIDIA that MLX's wheel names, and the headers that its kernels need and it does not name.
nvidia() {
	sed -n 's/^Requires-Dist: *\(nvidia[^;]*\).*/\1/p' "$work"/wheels/mlx_cuda_13-*.dist-info/METADATA | tr -d ' ()' >"$work/nvidia"
	wheels -r "$work/nvidia" "nvidia-cuda-crt==13.*"
}

bring_and_build() {
	say "bringing MLX $mlx_version for $backend and building mlx-c $mlxc_version (half a minute)"
	require "$openblas_version" scipy-openblas32
	if [ "$backend" = cuda ]; then require "$mlx_version" mlx-cuda-13; else require "$mlx_version" mlx-cpu; fi
	wheels --no-deps --require-hashes -r "$work/requirements"
	[ "$backend-${QIMPORT_NVIDIA-}" != cuda- ] || nvidia
	build_lib
}

# source_of_mlxc, where a folder is given in place of the archive.
[ -z "${MLX_C_SOURCE-}" ] || source_of_mlxc() { cp -R "$MLX_C_SOURCE" "$work/mlx-c"; }

# take_release makes $work/lib of a release's.
take_release() {
	if [ -d "$QIMPORT_LIB" ]; then
		from=$QIMPORT_LIB
	else
		mkdir "$work/release"
		tar -xzf "$QIMPORT_LIB" -C "$work/release" || die "QIMPORT_LIB is $QIMPORT_LIB, which is no .tar.gz and no folder"
		from=$(echo "$work"/release/*)
	fi
	[ ! -d "$from/lib" ] || from=$from/lib
	theirs=$(cat "$from/.stamp" 2>/dev/null) || die "there is no lib/ of a release with MLX in $QIMPORT_LIB"
	backend=${QIMPORT_MLX:-${theirs%% *}}
	[ "$theirs" = "$(stamp)" ] || die "the release in $QIMPORT_LIB has '$theirs', and this source needs '$(stamp)': take the release of the same version, or unset QIMPORT_LIB"
	cp -R "$from" "$work/lib"
}

PYTHON=${PYTHON:-python3}
PKG_CONFIG=${PKG_CONFIG:-pkg-config}
GO=${GO:-go}
CC=${CC:-cc}
CXX=${CXX:-c++}

choose_backend
ready && exit 0
case $(uname -s) in
Linux | Darwin) ;;
*) die "MLX does not run on $(uname -s); build with CGO_ENABLED=0, which does everything but run a model" ;;
esac
if [ -n "${QIMPORT_LIB-}" ]; then how=release; elif find_installed; then how=installed; else how=build; fi
need_tools
mkdir -p "$tools"
if have flock; then
	exec 9>"$tools/setup.lock"
	flock 9
	ready && exit 0
fi
rm -rf "$work"
mkdir -p "$work"
case $how in
release) take_release ;;
build) bring_and_build ;;
installed)
	write_pc "$libdir" "$includedir"
	say "using the mlx-c that is installed"
	;;
esac
publish
