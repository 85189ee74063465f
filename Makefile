# make           what `build` does
# make setup     MLX under lib/ (runtime/mlx/setup.sh); nothing to do the second time
# make build     bin/qimport, which finds MLX in ../lib
# make demo      the main job on the two models that the repository ships (demo.sh)
# make test      all tests; what needs the fixtures runs where QIMPORT_FIXTURES names their folder
# make race      the quick tests (-short) under the race detector
# make soak      imports beside removals, gc and Ollama, for MINUTES (5)
# make fuzz      every fuzz target in turn, FUZZTIME each (30s); the first finding ends it (fuzz.sh)
# make bench     imports, verifications and runs beside their limits and peers, as tables: ten minutes and 30 GB
#                of scratch space once llama.cpp is built (bench/llama.sh); BENCHFLAGS='-n 1 -write README.md'
# make check     format, vet, staticcheck, with and without cgo;  make vuln: known vulnerabilities
# make dist      releases for every platform into dist/out, or for PLATFORMS (dist/dist.sh, docs/packages.md)
# make ci        all that a change must pass (.ci/run)
# make env       what to export before calling go by hand: eval "$(make -s env)"
#
# CGO_ENABLED=0 builds and tests everything but running a model, without MLX.

export PKG_CONFIG_PATH := $(CURDIR)/lib/pkgconfig:$(PKG_CONFIG_PATH)
export CGO_ENABLED ?= 1

# Go's build cache does not see what pkg-config answers, and a build with -trimpath not where it
# stands: without this, two clones would take each other's library paths from the cache.
export CGO_CFLAGS := -O2 -g -I$(CURDIR)/lib/include

GO ?= go
STATICCHECK ?= $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK ?= $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0
VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
mlx := $(if $(filter 0,$(CGO_ENABLED)),,setup)

# TESTFLAGS are more flags for the tests: make test TESTFLAGS='-run Plan -v'
TESTFLAGS ?=

# A folder whose name begins with a dot is not among ./...
packages := ./... ./.ci/skips

.PHONY: build setup demo test race soak fuzz bench check vuln dist site ci env clean

build: $(mlx)
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/qimport ./cmd/qimport

setup:
	@runtime/mlx/setup.sh

demo: build
	@./demo.sh

# The models of the tests are so small that more threads of BLAS would only wait for each other.
test race fuzz: export OPENBLAS_NUM_THREADS := 1

test: $(mlx)
	$(GO) test $(TESTFLAGS) -timeout 30m $(packages)

race: $(mlx)
	$(GO) test $(TESTFLAGS) -race -short -timeout 30m $(packages)

MINUTES ?= 5

soak: $(mlx)
	QIMPORT_SOAK_MINUTES=$(MINUTES) $(GO) test . -run '^TestSoak$$' -count=1 -v -timeout $$(($(MINUTES) + 10))m

fuzz: $(mlx)
	@GO='$(GO)' ./fuzz.sh

bench: build
	$(GO) run ./bench $(BENCHFLAGS)

check: $(mlx)
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	test -z "$$unformatted" || { echo "gofmt -w $$unformatted" >&2; exit 1; }
	$(GO) vet $(packages)
	CGO_ENABLED=0 $(GO) vet $(packages)
	$(STATICCHECK) $(packages)
	CGO_ENABLED=0 $(STATICCHECK) -checks inherit,-SA4006,-SA4017 $(packages)  # without MLX an operation never returns, and what is made for one or by one is not used

vuln: $(mlx)
	@GOVULNCHECK='$(GOVULNCHECK)' ./vuln.sh

# What is built here is none of the repository's own build: each platform has its lib/.
dist:
	@env -u CGO_CFLAGS -u CGO_ENABLED -u PKG_CONFIG_PATH -u VERSION $(if $(filter command line environment,$(origin VERSION)),VERSION='$(VERSION)') GO='$(GO)' dist/dist.sh $(PLATFORMS)

site:
	@CGO_ENABLED=0 SOURCE='$(SOURCE)' $(GO) run ./docs/site

ci:
	@bash .ci/run

env: $(mlx)
	@echo 'export PKG_CONFIG_PATH="$(PKG_CONFIG_PATH)"'

clean:
	rm -rf bin lib .tools demo-store dist/out docs/out
