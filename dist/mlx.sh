# MLX and mlx-c for a platform other than this machine's own; read by dist.sh.

lib_sh=$root/runtime/mlx/lib.sh
. "$lib_sh"
CC_ARM64=${CC_ARM64:-aarch64-linux-gnu-gcc}
CXX_ARM64=${CXX_ARM64:-aarch64-linux-gnu-g++}
tools=$out/.work/tools

# need_for PLATFORM... ends the run with all that is missing to build them.
need_for() {
	missing=
	have "${GO%% *}" || missing="$missing; Go"
	have git || missing="$missing; git"
	case " $* " in
	*" linux-amd64 "* | *" linux-arm64 "* | *" linux-amd64-cuda "* | *" darwin-arm64 "*)
		"$PYTHON" -m pip --version >/dev/null 2>&1 || missing="$missing; Python 3 with pip (apt install python3-pip)"
		have pkg-config || missing="$missing; pkg-config (apt install pkgconf)"
		;;
	esac
	case " $* " in *" linux-amd64 "* | *" linux-amd64-cuda "*)
		[ "$(uname -m)" = x86_64 ] || missing="$missing; an x86-64 machine for linux-amd64"
		have c++ || missing="$missing; a compiler for C++20 (apt install g++)"
		;;
	esac
	case " $* " in *" linux-arm64 "*)
		have "${CXX_ARM64%% *}" && have "${CC_ARM64%% *}" || missing="$missing; cross compilers for linux-arm64 (apt install g++-aarch64-linux-gnu, or CC_ARM64 and CXX_ARM64)"
		;;
	esac
	[ -z "$missing" ] || die "missing are: ${missing#; }"
}

# fetch TAG... has pip unpack what $work/requirements names, of a platform with one of the tags, into $work/wheels.
fetch() {
	for tag; do
		set -- "$@" --platform "$tag"
		shift
	done
	PIP_ROOT_USER_ACTION=ignore "$PYTHON" -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-compile \
		--no-deps --require-hashes --target "$work/wheels" "$@" -r "$work/requirements" || die "pip could not bring the wheels for $platform (see above)"
}

# bring_mlx makes $stage/lib.
bring_mlx() {
	case $arch in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac
	case $platform in
	linux-arm64) CC=$CC_ARM64 CXX=$CXX_ARM64 ;;
	darwin-arm64) find_zig ;;
	*) CC=cc CXX=c++ ;;
	esac
	case $backend in
	cpu) require "$mlx_version" mlx-cpu ;;
	cuda) require "$mlx_version" mlx-cuda-13 ;;
	metal) require "$mlx_version" mlx-metal ;;
	esac
	if [ "$backend" = metal ]; then
		fetch macosx_14_0_arm64
	else
		require "$openblas_version" scipy-openblas32
		fetch manylinux_2_35_$machine manylinux_2_28_$machine manylinux_2_27_$machine manylinux_2_17_$machine
	fi
	build_lib
	mv "$work/lib" "$stage/lib"
}

# find_zig sets the compilers for a Mac, with zig of its wheel where there is none.
find_zig() {
	if [ -z "${ZIG-}" ]; then
		[ -x "$tools/zig/ziglang/zig" ] || PIP_ROOT_USER_ACTION=ignore "$PYTHON" -m pip install --quiet --disable-pip-version-check \
			--target "$tools/zig" "ziglang==$zig_version" || die "pip could not bring zig $zig_version: set ZIG"
		ZIG=$tools/zig/ziglang/zig
	fi
	CC="$ZIG cc -target aarch64-macos.14.0"
	# What macOS 14's own C++ library has is asked for, and not all that zig's has.
	CXX="$ZIG c++ -target aarch64-macos.14.0 -U_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS -D_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS=1"
}
