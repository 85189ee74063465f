# try.sh kernels FILE.tar.gz: tests of our own kernels, and of the kernel that MLX's graph calls, built for arm64
# with the cross compilers of dist.sh and emulated.

tar -xzf "$1" -C "$scratch" --strip-components=1
export PKG_CONFIG_PATH="$scratch/lib/pkgconfig" CC="${CC_ARM64:-aarch64-linux-gnu-gcc}" CXX="${CXX_ARM64:-aarch64-linux-gnu-g++}"
export GOOS=linux GOARCH=arm64 CGO_ENABLED=1 CGO_CFLAGS="-O2 -I$scratch/lib/include" OPENBLAS_NUM_THREADS=1
cd "$repository"
# One test runs Go, which is this machine's.
${GO:-go} test -short -count=1 -timeout 60m -exec "$QEMU" -skip TestStubOffers ./quant/kernel ./runtime/mlx
say "$(basename "$1"): the kernels' quick tests pass under $QEMU"
