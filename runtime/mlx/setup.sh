#!/bin/sh
# Puts MLX and its C interface under <repository>/lib, where cgo and the built
# binary look for them:
#
#   lib/libmlxc.so            mlx-c, built here; it carries the way to OpenBLAS, and
#                             operations of the graph that functions of ours compute
#   lib/libscipy_openblas.so  OpenBLAS, which MLX's products are sent to
#   lib/mlx/lib/libmlx.so     MLX, from its wheel, with lib/mlx_*.libs beside it
#   lib/include/mlx/c         the headers
#   lib/pkgconfig/mlxc.pc     what `#cgo pkg-config: mlxc` reads
#
# An mlx-c 0.7 that pkg-config or Homebrew already knows is used as it is. All
# work is done in .tools/setup and moved into place last, so that an interrupted
# run leaves nothing half done. Needs no root.
#
# For an NVIDIA GPU, run once with QIMPORT_MLX=cuda (Linux, a driver for CUDA 13;
# 2 GB); QIMPORT_MLX=cpu goes back. lib/ then also has
#
#   lib/nvidia                what MLX uses of CUDA, from NVIDIA's wheels
#   lib/mlx/include           headers for the kernels that MLX compiles at run time
#
#   QIMPORT_MLX=cpu|cuda  the MLX to bring; unset, the one that is there, or cpu
#   QIMPORT_NVIDIA=system without lib/nvidia: the loader finds cuBLAS, cuDNN, cuFFT,
#                         NCCL and NVRTC of CUDA 13, and CUDA_HOME has the headers
#   PYTHON, CARGO, CMAKE, PKG_CONFIG  the programs to use, where they are not on the PATH
#   MLX_C_SOURCE          a folder with the source of mlx-c 0.7.0, in place of cargo
set -eu

mlx_version=0.32.2
mlxc_version=0.7.0
openblas_version=0.3.34.481.3

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
lib=$root/lib
tools=$root/.tools
work=$tools/setup

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# stamp names everything that decides what lib/ holds, beginning with the backend.
stamp() { echo "$backend mlx $mlx_version mlx-c $mlxc_version openblas $openblas_version" "$(cat "$0" "$here"/native/* | cksum)"; }

# choose_backend sets backend to the one asked for, else to that of lib/, else to cpu.
choose_backend() {
	backend=${QIMPORT_MLX:-cpu}
	if [ -z "${QIMPORT_MLX-}" ] && grep -q '^cuda ' "$lib/.stamp" 2>/dev/null; then backend=cuda; fi
	case $backend in
	cpu | cuda) ;;
	*) die "QIMPORT_MLX is $backend; known are cpu and cuda (on a Mac, MLX always has Metal)" ;;
	esac
}

ready() { [ -f "$lib/.stamp" ] && [ "$(cat "$lib/.stamp")" = "$(stamp)" ]; }

# write_pc LIBDIR INCLUDEDIR writes the pkg-config file into the new lib folder. Its
# run path serves `go test`; a binary in bin/ looks in ../lib first.
write_pc() {
	mkdir -p "$work/lib/pkgconfig"
	cat >"$work/lib/pkgconfig/mlxc.pc" <<PC
libdir=$1
includedir=$2

Name: mlxc
Description: C interface of MLX
Version: $mlxc_version
Cflags: -I\${includedir}
Libs: -L\${libdir} -lmlxc -Wl,-rpath,\${libdir}$(driver_flags)
PC
}

# driver_flags let a machine without a GPU link: CUDA's libcuda.so comes with the driver.
driver_flags() { [ "$backend" = cpu ] || echo " -Wl,--allow-shlib-undefined"; }

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

# use_installed succeeds where a fitting mlx-c is already there.
use_installed() {
	if [ "$backend" = cuda ]; then
		return 1
	elif system_pc --atleast-version=0.7.0 && ! system_pc --atleast-version=0.8; then
		write_pc "$(system_pc --variable=libdir)" "$(system_pc --variable=includedir)"
	elif have brew && prefix=$(brew --prefix mlx-c 2>/dev/null) && [ -f "$prefix/include/mlx/c/mlx.h" ]; then
		write_pc "$prefix/lib" "$prefix/include"
	else
		return 1
	fi
	say "using the mlx-c that is installed"
}

# need_tools fails with one sentence that names what is missing.
need_tools() {
	case $(uname -s) in
	Linux) ;;
	Darwin) die "mlx-c is missing: install it with 'brew install mlx-c'" ;;
	*) die "MLX does not run on $(uname -s); build with CGO_ENABLED=0, which does everything but run a model" ;;
	esac
	"$PYTHON" -m pip --version >/dev/null 2>&1 || die "Python 3 with pip is missing: install it (Debian: apt install python3-pip) or set PYTHON"
	[ -n "${MLX_C_SOURCE-}" ] || find_cargo ||
		die "cargo is missing, which brings the source of mlx-c: install it (Debian: apt install cargo) or set MLX_C_SOURCE to a folder with mlx-c $mlxc_version"
	have "${CXX:-c++}" || die "a C++20 compiler is missing: install one (Debian: apt install g++)"
}

# find_cargo succeeds if cargo runs. Rustup's looks for its toolchains under HOME,
# which may have been replaced; they lie beside it.
find_cargo() {
	"$CARGO" --version >/dev/null 2>&1 && return
	have "$CARGO" || return 1
	RUSTUP_HOME=$(dirname "$(command -v "$CARGO")")/../../.rustup
	export RUSTUP_HOME
	"$CARGO" --version >/dev/null 2>&1
}

# wheels REQUIREMENT... unpacks wheels into $work/wheels, as if into site-packages.
wheels() {
	for tag in manylinux_2_35 manylinux_2_28 manylinux_2_27 manylinux_2_18 manylinux_2_17 manylinux2014; do
		set -- --platform "${tag}_$(uname -m)" "$@"
	done
	PIP_ROOT_USER_ACTION=ignore "$PYTHON" -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-compile --no-cache-dir \
		--target "$work/wheels" --platform any "$@" || die "pip could not bring MLX or what it needs (see above): check the network, or the index that pip uses"
}

# source_of_mlxc leaves the source in $work/mlx-c.
source_of_mlxc() {
	if [ -n "${MLX_C_SOURCE-}" ]; then
		cp -R "$MLX_C_SOURCE" "$work/mlx-c"
		return
	fi
	mkdir -p "$work/crate/src"
	: >"$work/crate/src/lib.rs"
	cat >"$work/crate/Cargo.toml" <<TOML
[package]
name = "fetch-mlx-c"
version = "0.0.0"
edition = "2021"

[dependencies]
mlx-sys = "=$mlxc_version"

[workspace]
TOML
	[ -w "${HOME:-/nonexistent}" ] || export CARGO_HOME="${CARGO_HOME:-$work/cargo}"
	(cd "$work/crate" && "$CARGO" vendor --quiet --versioned-dirs >/dev/null) ||
		die "cargo could not bring the crate mlx-sys $mlxc_version (see above): check the network, or set MLX_C_SOURCE"
	mv "$work/crate/vendor/mlx-sys-$mlxc_version/src/mlx-c" "$work/mlx-c"
}

# need_cmake sets CMAKE to one that works, from a wheel where there is none.
need_cmake() {
	"$CMAKE" --version >/dev/null 2>&1 && return
	PIP_ROOT_USER_ACTION=ignore "$PYTHON" -m pip install --quiet --disable-pip-version-check --target "$work/cmake" 'cmake>=3.25,<5' ||
		die "cmake is missing: install it (Debian: apt install cmake) or set CMAKE"
	PYTHONPATH=$work/cmake
	CMAKE=$work/cmake/bin/cmake
	export PYTHONPATH
}

# format_header prints the flags that give mlx-c the <format> it forgets to
# include. g++ 12 has no such header: a stand-in for the one use, "{}" with a
# number, is put on the include path.
format_header() {
	if echo '#include <format>' | "${CXX:-c++}" -std=c++20 -fsyntax-only -x c++ - 2>/dev/null; then
		echo "-include format"
		return
	fi
	mkdir -p "$work/compat"
	cp "$here/native/format_compat.h" "$work/compat/format"
	echo "-I$work/compat -include format"
}

build_mlxc() {
	need_cmake
	# MLX's own config asks for a CUDA toolkit where MLX has CUDA; compiling mlx-c needs none.
	mkdir -p "$work/config"
	echo 'include("'"$work"'/wheels/mlx/share/cmake/MLX/MLXTargets.cmake")' >"$work/config/MLXConfig.cmake"
	"${CC:-cc}" -O2 -fPIC -c "$here/native/blas_front.c" -o "$work/blas_front.o"
	# shellcheck disable=SC2046 # the flags are words
	"${CXX:-c++}" -std=c++20 -O2 -fPIC $(format_header) -I"$work/wheels/mlx/include" -I"$work/mlx-c" \
		-c "$here/native/call.cpp" -o "$work/call.o" || die "native/call.cpp did not compile (see above)"
	"$CMAKE" -S "$work/mlx-c" -B "$work/build" \
		-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
		-DMLX_C_USE_SYSTEM_MLX=ON -DMLX_C_BUILD_EXAMPLES=OFF \
		-DMLX_DIR="$work/config" \
		-DCMAKE_CXX_FLAGS="$(format_header)" \
		-DCMAKE_SHARED_LINKER_FLAGS="$work/blas_front.o $work/call.o -L$work/wheels/scipy_openblas32/lib -lscipy_openblas" \
		-DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_RPATH='$ORIGIN;$ORIGIN/mlx/lib' \
		-DCMAKE_INSTALL_PREFIX="$work/out" >"$work/log" 2>&1 &&
		"$CMAKE" --build "$work/build" --parallel >>"$work/log" 2>&1 &&
		"$CMAKE" --install "$work/build" >>"$work/log" 2>&1 ||
		{ tail -n 30 "$work/log" >&2; die "mlx-c $mlxc_version did not build (the end of the log is above)"; }
	cp "$work"/out/lib/libmlxc.so "$work/lib/"
	mkdir -p "$work/lib/include"
	cp -R "$work/out/include/mlx" "$work/lib/include/"
}

bring_and_build() {
	need_tools
	say "bringing MLX $mlx_version for $backend and building mlx-c $mlxc_version (about a minute)"
	mkdir -p "$work/lib/mlx/lib"
	case $backend-${QIMPORT_NVIDIA-} in
	cpu-*) wheels --no-deps "mlx-cpu==$mlx_version" "scipy-openblas32==$openblas_version" ;;
	cuda-system) wheels --no-deps "mlx-cuda-13==$mlx_version" "scipy-openblas32==$openblas_version" ;;
	cuda-*) # nvidia-cuda-crt: headers that MLX's kernels need and its wheel does not name
		wheels "mlx-cuda-13==$mlx_version" "nvidia-cuda-crt==13.*" "scipy-openblas32==$openblas_version" ;;
	esac
	source_of_mlxc
	build_mlxc
	mv "$work/wheels/mlx/lib/libmlx.so" "$work/lib/mlx/lib/"
	mv "$work"/wheels/mlx_*.libs "$work/lib/"
	mv "$work/wheels/scipy_openblas32/lib/libscipy_openblas.so" "$work/lib/"
	if [ "$backend" = cuda ]; then mv "$work/wheels/mlx/include" "$work/lib/mlx/"; fi
	if [ -d "$work/wheels/nvidia" ]; then mv "$work/wheels/nvidia" "$work/lib/"; fi
	write_pc '${pcfiledir}/..' '${pcfiledir}/../include'
}

PYTHON=${PYTHON:-python3}
CARGO=${CARGO:-cargo}
CMAKE=${CMAKE:-cmake}
PKG_CONFIG=${PKG_CONFIG:-pkg-config}

choose_backend
ready && exit 0
have "$PKG_CONFIG" || die "pkg-config is missing: install it (Debian: apt install pkgconf, Mac: brew install pkgconf)"
mkdir -p "$tools"
if have flock; then
	exec 9>"$tools/setup.lock"
	flock 9
	ready && exit 0
fi
rm -rf "$work"
mkdir -p "$work"
use_installed || bring_and_build
publish
