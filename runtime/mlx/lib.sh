# Makes a folder like lib/ of unpacked wheels and of mlx-c's source; read by setup.sh and by dist/. It
# fetches nothing. These are set before:
#
#   work      a folder of its own; wheels are in $work/wheels, what is made goes to $work/lib
#   backend   cpu, cuda or metal
#   CC, CXX   the compilers, of the target; may be several words

here=$(cd "$(dirname "$lib_sh")" && pwd)
. "$here/versions"
mlxc_archive=$here/mlx-c-$mlxc_version.tar.gz

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# stamp names everything that decides what lib/ holds, beginning with the backend.
stamp() {
	echo "$backend mlx $mlx_version mlx-c $mlxc_version openblas $openblas_version" \
		"$(cat "$here/versions" "$here/wheels.sha256" "$here/lib.sh" "$here"/native/* | cksum)"
}

digest() { if have sha256sum; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1; }

# require VERSION NAME... adds to $work/requirements, which pip is held to, with the digests of the
# wheels of every platform.
require() {
	version=$1
	shift
	for name; do
		echo "$name==$version $(grep "  $(echo "$name" | tr - _)-$version-" "$here/wheels.sha256" | sed 's/ .*//; s/^/--hash=sha256:/' | tr '\n' ' ')"
	done >>"$work/requirements"
}

# source_of_mlxc leaves the source in $work/mlx-c.
source_of_mlxc() {
	[ "$(digest "$mlxc_archive")" = "$mlxc_sha256" ] ||
		die "$mlxc_archive is not the archive that $here/versions names: get it again (git checkout -- runtime/mlx)"
	tar -xzf "$mlxc_archive" -C "$work"
	mv "$work/mlx-c-$mlxc_version" "$work/mlx-c"
}

# format_header sets format to the flags that give mlx-c the <format> it forgets to
# include. g++ 12 has no such header: a stand-in for the one use, "{}" with a
# number, is put on the include path.
format_header() {
	echo '#include <format>' >"$work/format.cpp"
	if $CXX -std=c++20 -c "$work/format.cpp" -o "$work/format.o" 2>/dev/null; then
		format="-include format"
		return
	fi
	mkdir -p "$work/compat"
	cp "$here/native/format_compat.h" "$work/compat/format"
	format="-I$work/compat -include format"
}

# compile UNIT compiles $work/UNIT.cpp. MLX's headers cost most of it, so that mlx-c's files are few units.
# (Deallocation without a size is all that is then asked of a Mac's C++ library beyond what MLX itself asks.)
compile() {
	$CXX -std=c++20 -O2 -fPIC -fno-sized-deallocation -ffile-prefix-map="$work=." $format -I"$work/wheels/mlx/include" \
		-I"$work/wheels/mlx/include/metal_cpp" -I"$work/mlx-c" \
		-c "$work/$1.cpp" -o "$work/$1.o" 2>"$work/$1.log"
}

# units writes them: the operations, which are as long as all else, the rest, and calls of ours.
units() {
	echo '#include "mlx/c/ops.cpp"' >"$work/ops.cpp"
	for file in "$work"/mlx-c/mlx/c/*.cpp; do
		case ${file##*/} in
		ops.cpp | object.cpp) ;; # object.cpp is in none of mlx-c's own builds
		*) echo "#include \"mlx/c/${file##*/}\"" ;;
		esac
	done >"$work/rest.cpp"
	cp "$here"/native/call.cpp "$here"/native/kernel.cpp "$here"/native/dtypes.h "$work/"
}

build_mlxc() {
	units
	format_header # once, before units are compiled beside each other
	compile ops &
	ops=$!
	failed=
	compile rest || failed=rest
	compile call || failed=call
	compile kernel || failed=kernel
	wait $ops || failed=ops
	[ -z "$failed" ] || { cat "$work/$failed.log" >&2; die "mlx-c $mlxc_version did not compile (see above)"; }
	case $backend in
	metal)
		$CXX -dynamiclib -o "$work/lib/libmlxc.dylib" "$work/ops.o" "$work/rest.o" "$work/call.o" "$work/kernel.o" \
			-nostdlib++ "$here/../../dist/darwin/libc++.1.tbd" -L"$work/wheels/mlx/lib" -lmlx -Wl,-S -Wl,-x -Wl,-install_name,@rpath/libmlxc.dylib -Wl,-rpath,@loader_path/mlx/lib
		;;
	*)
		$CC -O2 -fPIC -ffile-prefix-map="$here=." -c "$here/native/blas_front.c" -o "$work/blas_front.o"
		$CXX -shared -s -o "$work/lib/libmlxc.so" "$work/ops.o" "$work/rest.o" "$work/blas_front.o" "$work/call.o" "$work/kernel.o" \
			-L"$work/wheels/scipy_openblas32/lib" -lscipy_openblas -L"$work/wheels/mlx/lib" -lmlx \
			-Wl,-soname,libmlxc.so -Wl,-rpath,'$ORIGIN:$ORIGIN/mlx/lib'
		;;
	esac || die "libmlxc did not link (see above)"
}

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
driver_flags() { [ "$backend" != cuda ] || echo " -Wl,--allow-shlib-undefined"; }

# licences takes those of the wheels and of mlx-c over, a folder each.
licences() {
	for info in "$work"/wheels/*.dist-info; do
		name=${info##*/}
		name=${name%%-*}
		for file in "$info"/licenses/* "$info"/LICENSE* "$info"/License*; do
			[ ! -f "$file" ] || { mkdir -p "$work/lib/licences/$name"; cp "$file" "$work/lib/licences/$name/"; }
		done
	done
	mkdir -p "$work/lib/licences/mlx-c"
	cp "$work/mlx-c/LICENSE" "$work/lib/licences/mlx-c/"
}

# build_lib makes $work/lib.
build_lib() {
	mkdir -p "$work/lib/mlx/lib" "$work/lib/include/mlx/c"
	source_of_mlxc
	build_mlxc
	cp "$work"/mlx-c/mlx/c/*.h "$work/lib/include/mlx/c/"
	licences
	for file in libmlx.so libmlx.dylib libjaccl.dylib mlx.metallib; do
		[ ! -f "$work/wheels/mlx/lib/$file" ] || mv "$work/wheels/mlx/lib/$file" "$work/lib/mlx/lib/"
	done
	for folder in "$work"/wheels/mlx_*.libs "$work/wheels/nvidia"; do
		[ ! -d "$folder" ] || mv "$folder" "$work/lib/"
	done
	[ "$backend" = metal ] || mv "$work/wheels/scipy_openblas32/lib/libscipy_openblas.so" "$work/lib/"
	[ "$backend" != cuda ] || mv "$work/wheels/mlx/include" "$work/lib/mlx/"
	write_pc '${pcfiledir}/..' '${pcfiledir}/../include'
	stamp >"$work/lib/.stamp"
}
