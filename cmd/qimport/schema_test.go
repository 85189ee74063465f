package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"qimport"
	"qimport/convert/plan"
	"qimport/convert/tune"
	"qimport/verify/report"
)

var rewriteSchemas = flag.Bool("schemas", false, "rewrite schema/ to what the program's types say")

// schemaDir is where the schemas lie; TestMain makes it absolute, since scripts run elsewhere.
const schemaDir = "../../schema"

// documents are the JSON documents that people and scripts get, by the command that prints them with --json
// (batch: one a line); error, which goes to stderr; and costs, which tune keeps.
var documents = map[string][]any{
	"import": {qimport.ImportResult{}, plan.Report{}}, "plan": {plan.Report{}}, "verify": {report.Report{}}, "run": {runResult{}},
	"list": {listing{}}, "show": {qimport.Shown{}}, "diff": {qimport.Differences{}}, "compare": {report.Comparison{}}, "cp": {copied{}}, "rm": {removal{}}, "gc": {collected{}},
	"check": {checkedStore{}}, "attest": {qimport.Attested{}, qimport.AttestedFiles{}}, "check-attestation": {qimport.AttestationVerdict{}, qimport.FilesVerdict{}},
	"export": {qimport.ExportResult{}}, "push": {qimport.PushResult{}}, "pull": {qimport.PullResult{}}, "batch": {qimport.BatchLine{}, batchState{}},
	"calibrate": {qimport.CalibrateResult{}}, "tune": {report.Tuning{}}, "doctor": {diagnosis{}}, "version": {made{}},
	"recipes": {shippedList{}, shippedRecipe{}},
	"error":   {failure{}}, "costs": {tune.CostsFile{}},
}

// unprinted are commands that print no result of their own: --json is for their errors.
var unprinted = []string{"completion", "man"}

// TestSchemas holds schema/ to the program's types: a field that comes, goes or is renamed is seen in a review.
func TestSchemas(t *testing.T) {
	for _, c := range application(stdio{}).Commands {
		if documents[c.Name] == nil && !slices.Contains(unprinted, c.Name) && c.Name != "help" {
			t.Errorf("no schema says what qimport %s --json prints: name its type in documents", c.Name)
		}
	}
	comments := goComments{}
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		want, err := schemaOf(name, documents[name], comments)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		path := filepath.Join(schemaDir, name+".json")
		got, err := os.ReadFile(path)
		if *rewriteSchemas {
			err = os.WriteFile(path, want, 0o644)
			got = want
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types say: look at the change and run go test ./cmd/qimport -run Schemas -schemas", path)
		}
		if _, err := compiled(schemaDir, name); err != nil {
			t.Error(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(schemaDir, "*.json"))
	if len(files) != len(documents) {
		t.Errorf("schema/ has %d files, there are %d kinds of documents", len(files), len(documents))
	}
}

// TestSchemaRefuses: what a schema does not name is not accepted, nor is a document without what it demands.
func TestSchemaRefuses(t *testing.T) {
	const good = `{"schema":1,"error":"x","exit_status":2}`
	for document, want := range map[string]bool{
		good: true, `{"schema":1,"error":"x","exit_status":2,"more":1}`: false, `{"schema":1,"error":"x"}`: false,
		`{"schema":1,"error":2,"exit_status":2}`: false, `{"schema":2,"error":"x","exit_status":2}`: false,
	} {
		if err := conforms(schemaDir, "error", []byte(document)); (err == nil) != want {
			t.Errorf("%s: %v", document, err)
		}
	}
}

func compiled(dir, name string) (*jsonschema.Schema, error) {
	return jsonschema.NewCompiler().Compile(filepath.Join(dir, name+".json"))
}

// conforms holds documents, one after the other, to a schema.
func conforms(dir, name string, text []byte) error {
	s, err := compiled(dir, name)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		var document any
		if err := d.Decode(&document); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.Validate(document); err != nil {
			return fmt.Errorf("what is printed is not as schema/%s.json says: %w", name, err)
		}
	}
}

// schemasAt tells the program of a script where the schemas lie.
const schemasAt = "QIMPORT_TEST_SCHEMAS"

// heldMain is the program, as scripts run it. What it prints with --json is held to its schema.
func heldMain() {
	dir, args := os.Getenv(schemasAt), os.Args[1:]
	if dir == "" || !asksForJSON(args) {
		main()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var out, errs bytes.Buffer
	status := run(ctx, args, stdio{in: os.Stdin, out: io.MultiWriter(os.Stdout, &out), err: io.MultiWriter(os.Stderr, &errs)})
	app := application(stdio{})
	var wrong error
	if at := commandIndex(app, args); at >= 0 && out.Len() > 0 {
		wrong = conforms(dir, app.Command(args[at]).Name, out.Bytes())
	}
	for line := range strings.Lines(errs.String()) {
		if strings.HasPrefix(line, "{") {
			wrong = errors.Join(wrong, conforms(dir, "error", []byte(line)))
		}
	}
	if wrong != nil {
		fmt.Fprintln(os.Stderr, wrong)
		status = 99
	}
	os.Exit(status)
}

// TestCostsSchema: the file that tune keeps is what the schema says.
func TestCostsSchema(t *testing.T) {
	c := tune.NewCosts("sha256:00")
	for range 2 {
		if err := conforms(schemaDir, "costs", c.Append(nil)); err != nil {
			t.Error(err)
		}
		c.Set("layers.0", "nvfp4", 0.5)
	}
}

// TestReportSchema: files of reports are held to the schemas of what the commands print.
func TestReportSchema(t *testing.T) {
	kl := 0.01
	r := report.Report{Schema: 1, Name: "m", Level: report.Smoke, Checks: []report.Check{{Name: "smoke.load", Passed: report.Passed, Value: &kl}, {Name: "smoke.x"}},
		Environment: report.Environment{Versions: map[string]string{}, Dtypes: map[string]string{}}}
	b, err := r.JSON()
	if err == nil {
		err = conforms(schemaDir, "verify", b)
	}
	if err != nil {
		t.Error(err)
	}
}
