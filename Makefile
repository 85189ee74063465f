# make           what `build` does
# make setup     MLX under lib/ (runtime/mlx/setup.sh); nothing to do the second time
# make build     bin/qimport, which finds MLX in ../lib
# make test      all tests;  make check: format, vet, staticcheck
# make env       what to export before calling go by hand: eval "$(make -s env)"
#
# CGO_ENABLED=0 builds and tests everything but running a model, without MLX.

export PKG_CONFIG_PATH := $(CURDIR)/lib/pkgconfig:$(PKG_CONFIG_PATH)
export CGO_ENABLED ?= 1

GO ?= go
STATICCHECK ?= staticcheck
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
needs_mlx := $(if $(filter 0,$(CGO_ENABLED)),,setup)

.PHONY: build setup test race check env clean

build: $(needs_mlx)
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/qimport ./cmd/qimport

setup:
	@runtime/mlx/setup.sh

test: $(needs_mlx)
	$(GO) test ./...

race: $(needs_mlx)
	$(GO) test -race ./...

check: $(needs_mlx)
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'gofmt -w the files above' >&2; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...

env: $(needs_mlx)
	@echo 'export PKG_CONFIG_PATH=$(PKG_CONFIG_PATH)'

clean:
	rm -rf bin lib .tools
