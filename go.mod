module qimport

go 1.26.0

require (
	github.com/agnivade/levenshtein v1.2.2 // the nearest names of a pattern that matches nothing
	github.com/dlclark/regexp2 v1.12.0 // the tokenizer's own pattern, with its lookahead
	github.com/dustin/go-humanize v1.1.0 // sizes for people
	github.com/edsrzf/mmap-go v1.2.0 // shards as mapped memory
	github.com/goccy/go-yaml v1.19.2 // recipes, batches, cases; errors with line numbers
	github.com/gofrs/flock v0.13.2 // one import a staging folder, one fetch a blob
	github.com/google/go-cmp v0.7.0 // differences in tests
	github.com/google/go-containerregistry v0.22.1 // a registry in the tests' own process
	github.com/google/renameio/v2 v2.0.2 // small files, replaced whole
	github.com/in-toto/attestation v1.2.0 // statements, SLSA provenance, test results
	github.com/json-iterator/go v1.1.12 // a tokenizer.json of 250,000 entries, streamed
	github.com/mattn/go-runewidth v0.0.31 // columns that a text takes in a window
	github.com/nikolalohinski/gonja/v2 v2.9.1 // chat templates
	github.com/nlpodyssey/safetensors v0.0.0-20250209183917-bfb01cc25f7c // checkpoints
	github.com/opencontainers/go-digest v1.0.0 // digests as oras-go has them
	github.com/opencontainers/image-spec v1.1.1 // manifests of referrers and of ModelPack
	github.com/peterh/liner v1.2.3 // lines of a conversation
	github.com/prometheus/common v0.67.5 // a reader of metrics, in tests
	github.com/rogpeppe/go-internal v1.16.0 // scripts that run the program
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // what is printed as JSON, held to schema/ in tests
	github.com/schollz/progressbar/v3 v3.19.1 // the bar
	github.com/secure-systems-lab/go-securesystemslib v0.11.1 // DSSE envelopes, keys, cosign's encrypted ones
	github.com/urfave/cli/v2 v2.27.7 // commands and flags
	github.com/yuin/goldmark v1.8.7 // the pages of docs/ as HTML
	golang.org/x/image v0.47.0 // WebP
	golang.org/x/sync v0.24.0 // workers that stop together
	golang.org/x/sys v0.49.0 // free space, syncfs, madvise, CPU features
	golang.org/x/term v0.47.0 // is this a terminal
	golang.org/x/text v0.43.0 // NFC
	google.golang.org/protobuf v1.36.11 // JSON of statements
	oras.land/oras-go/v2 v2.7.0 // OCI registries: login, uploads, referrers
)

require golang.org/x/mod v0.43.0

require (
	github.com/clipperhouse/uax29/v2 v2.7.0 // indirect
	github.com/cpuguy83/go-md2man/v2 v2.0.7 // indirect
	github.com/kr/pretty v0.3.1 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/modern-go/concurrent v0.0.0-20180306012644-bacd9c7ef1dd // indirect
	github.com/modern-go/reflect2 v1.0.2 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/prometheus/client_model v0.6.2 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/russross/blackfriday/v2 v2.1.0 // indirect
	github.com/sirupsen/logrus v1.9.4 // indirect
	github.com/xrash/smetrics v0.0.0-20240521201337-686a1a2994c1 // indirect
	go.yaml.in/yaml/v2 v2.4.3 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/exp v0.0.0-20240719175910-8a7402abbf56 // indirect
	golang.org/x/tools v0.52.0 // indirect
)
