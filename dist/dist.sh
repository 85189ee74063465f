#!/bin/sh
# Builds releases of qimport for every platform from one Linux machine (make dist), into dist/out:
#
#   qimport-VERSION-PLATFORM.tar.gz (.zip for Windows), .deb, .rpm, qimport.rb and SHA256SUMS
#
# A platform with MLX is an archive of bin/, lib/ and share/; -static is bin/ and share/, one program that
# does everything but run a model. Each has the licences of all that is in it, and sbom.cdx.json, which
# lists it (CycloneDX). The same commit gives the same bytes with the same compilers.
#
#   dist/dist.sh [PLATFORM...]   these alone, in place of all:
#     linux-amd64 linux-arm64 linux-amd64-cuda darwin-arm64
#     linux-amd64-static linux-arm64-static darwin-arm64-static windows-amd64-static
#
#   VERSION      in place of the tag, else of v0.0.0 with the commit's day and name
#   OUT          in place of dist/out
#   PACKAGES=no  leaves deb and rpm out, SBOM=no the list
#   PYTHON       with pip, which fetches MLX's wheels of the platform, and zig where ZIG is not set
#   CC_ARM64, CXX_ARM64   cross compilers for linux-arm64 whose C++ library is GCC's, as MLX's wheel has
#                it (Debian: g++-aarch64-linux-gnu)
#   ZIG          zig, for darwin-arm64: it brings what links for a Mac
#
# linux-amd64-cuda leaves NVIDIA's libraries to the system (docs/gpu.md).
set -eu
umask 022 # what a package installs has the modes that files have here

dist=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$dist/.." && pwd)
out=${OUT:-$dist/out}
PYTHON=${PYTHON:-python3}
GO=${GO:-go}
. "$dist/versions"
. "$dist/mlx.sh"

commit=$(git -C "$root" rev-parse --short=12 HEAD)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
unset GOAMD64 GOARM64 GOEXPERIMENT CGO_CPPFLAGS CGO_CXXFLAGS CGO_LDFLAGS
export GOFLAGS="-buildvcs=false -trimpath" # what the user's are would be told in the program
VERSION=${VERSION:-$(git -C "$root" describe --tags --exact-match --match 'v*' 2>/dev/null || echo "v0.0.0-$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d).$commit")}

say() { printf 'dist: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# of PLATFORM sets what it means: os, arch, backend (none for static), and the names of program and archive.
of() {
	case $1 in
	linux-amd64 | linux-arm64) backend=cpu ;;
	linux-amd64-cuda) backend=cuda ;;
	darwin-arm64) backend=metal ;;
	linux-amd64-static | linux-arm64-static | darwin-arm64-static | windows-amd64-static) backend= ;;
	*) die "there is no platform $1; dist/dist.sh begins with a list of them" ;;
	esac
	os=${1%%-*}
	arch=${1#*-}
	arch=${arch%%-*}
	program=qimport end=tar.gz
	[ "$os" != windows ] || program=qimport.exe end=zip
}

# build_program writes the program into $stage/bin. Where it looks for lib/ is told here alone: what pkg-config says
# for a build in the repository names this machine's folder.
build_program() {
	flags="-s -w -buildid= -X main.version=$VERSION"
	if [ -z "$backend" ]; then
		(cd "$root" && CGO_ENABLED=0 GOOS=$os GOARCH=$arch $GO build -ldflags "$flags" -o "$stage/bin/$program" ./cmd/qimport)
		return
	fi
	mkdir -p "$work/pc"
	sed -e "s|^libdir=.*|libdir=$stage/lib|; s|^includedir=.*|includedir=$stage/lib/include|; s| -Wl,-rpath,[^ ]*||" \
		"$stage/lib/pkgconfig/mlxc.pc" >"$work/pc/mlxc.pc"
	[ "$os" != darwin ] || flags="$flags -extldflags '-Wl,-rpath,@executable_path/../lib -F$dist/darwin -L$dist/darwin -Wl,-headerpad_max_install_names'"
	(cd "$root" && CGO_ENABLED=1 GOOS=$os GOARCH=$arch CC="$CC" CXX="$CXX" CGO_CFLAGS="-O2 -I$stage/lib/include" \
		PKG_CONFIG_PATH="$work/pc" $GO build -ldflags "$flags" -o "$stage/bin/$program" ./cmd/qimport)
}

# papers puts in what is read: pages, licences, man pages, completions, the list of what is inside.
papers() {
	cp "$root/LICENSE" "$root/README.md" "$root/CHANGELOG.md" "$root/THIRD_PARTY_NOTICES.md" "$stage/"
	mkdir -p "$stage/licences" "$stage/share/completions" "$stage/share/man/man1"
	(cd "$root" && GOOS=$os GOARCH=$arch CGO_ENABLED=0 $GO list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}' ./cmd/qimport) |
		sort -u | while read -r module folder; do
		[ -n "$module" ] || continue
		mkdir -p "$stage/licences/$module"
		find "$folder" -maxdepth 1 -type f \( -iname 'licen[sc]e*' -o -iname 'copying*' -o -iname 'notice*' -o -iname 'patents' -o -iname 'attrib*' \) -exec cp {} "$stage/licences/$module/" \;
	done
	mkdir -p "$stage/licences/go"
	cp "$($GO env GOROOT)/LICENSE" "$stage/licences/go/"
	for shell in bash zsh fish powershell; do "$host" completion $shell >"$stage/share/completions/qimport.$shell"; done
	"$host" man --quiet "$stage/share/man/man1"
	find "$stage" -type d -exec chmod 755 {} + && find "$stage" -type f -exec chmod u+rw,go+rX,go-w {} +
	[ "${SBOM:-}" = no ] || list_parts
}

# list_parts writes sbom.cdx.json: the Go modules that the program itself names, and the libraries beside it.
list_parts() {
	(cd "$root" && $GO run "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$cyclonedx_version" bin -json -noserial \
		-output "$stage/sbom.cdx.json" -version "$VERSION" "$stage/bin/$program" 2>"$work/sbom.log") || { cat "$work/sbom.log" >&2; die "the list of what $platform holds could not be made"; }
	set --
	case $backend in
	cpu) set -- "pypi:mlx-cpu=$mlx_version=MIT" "pypi:scipy-openblas32=$openblas_version=BSD-3-Clause" ;;
	cuda) set -- "pypi:mlx-cuda-13=$mlx_version=MIT" "pypi:scipy-openblas32=$openblas_version=BSD-3-Clause" ;;
	metal) set -- "pypi:mlx-metal=$mlx_version=MIT" ;;
	esac
	[ -z "$backend" ] || set -- "$@" "mlx-c=$mlxc_version=MIT"
	"$pack" sbom "$stage/sbom.cdx.json" "$root/THIRD_PARTY_NOTICES.md" "$@"
}

# packages makes a deb and an rpm of what was staged for Linux. CUDA's is too large for most archives of packages.
packages() {
	[ "${PACKAGES:-}" != no ] && [ "$os" = linux ] && [ "$backend" != cuda ] || return 0
	suffix=
	[ -n "$backend" ] || suffix=-static
	for kind in deb rpm; do
		(cd "$stage" && NAME=qimport$suffix ARCH=$arch VERSION="$VERSION" OTHER=qimport$([ -n "$suffix" ] || echo -static) \
			$GO run "github.com/goreleaser/nfpm/v2/cmd/nfpm@$nfpm_version" package --config "$dist/nfpm${suffix}.yaml" --packager $kind --target "$out/" >&2)
	done
}

# one builds a platform. What is there when it fails is left in $work, to be looked at.
one() {
	platform=$1
	of "$platform"
	work=$out/.work/$platform
	stage=$work/qimport-$VERSION-$platform
	archive=$out/qimport-$VERSION-$platform.$end
	say "$platform"
	rm -rf "$work"
	mkdir -p "$stage/bin"
	[ -z "$backend" ] || bring_mlx
	build_program
	papers
	"$pack" check "$stage" >"$work/check" || { cat "$work/check" >&2; die "$platform would not load (see above)"; }
	[ -z "$backend" ] || sed 's/^/dist: /' "$work/check" >&2
	! named=$(grep -rlaF "$work" "$stage") || die "a folder of this machine is named in $named"
	"$pack" archive "$stage" "$archive"
	packages
	say "$(basename "$archive"): $(du -k "$archive" | cut -f1) kB, unpacked $(du -sk "$stage" | cut -f1) kB"
	rm -rf "$work"
}

[ $# -gt 0 ] || set -- linux-amd64-static linux-arm64-static darwin-arm64-static windows-amd64-static linux-amd64 linux-arm64 darwin-arm64 linux-amd64-cuda
for platform; do of "$platform"; done
need_for "$@"
mkdir -p "$out/.work"
pack=$out/.work/pack host=$out/.work/qimport
(cd "$root" && CGO_ENABLED=0 $GO build -o "$pack" ./dist/pack && CGO_ENABLED=0 $GO build -ldflags "-X main.version=$VERSION" -o "$host" ./cmd/qimport)
for platform; do one "$platform"; done
"$dist/formula.sh" "$out" "$VERSION"
(cd "$out" && LC_ALL=C ls | grep -E '^qimport.*\.(tar\.gz|zip|deb|rpm)$' | xargs sha256sum >SHA256SUMS)
say "all is in $out, with SHA256SUMS"
