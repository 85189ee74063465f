package qimport

import (
	"context"
	"errors"
	"time"

	"qimport/convert/modelfile"
	"qimport/manifest"
	"qimport/verify"
	"qimport/verify/attest"
)

// ImportOptions say what to import, and how.
type ImportOptions struct {
	Source  string // a directory, or org/name[@revision]
	Name    string // NAME[:TAG] in the store; "" for the source's own, with the type as tag
	Plan    PlanOptions
	Part    Part           // of several machines that share the store
	Jobs    int            // pieces worked on at a time; 0 for one a core
	Checks  verify.Options // its level None moves the name without having run the model
	Reports []string       // files for the verdict, each in the form that its ending says
	// KeepUnchanged leaves a name alone that points at what would be written already, with a verdict
	// that still holds.
	KeepUnchanged bool
	// Values makes Plan read the weights too, and say what is wrong with them. Import always does.
	Values bool
	For    Audience
	Attest *attest.Key     // signs what was verified; nil is no one
	Lay    modelfile.Model // what is laid over the model
	Watch  Watcher         // nil is no one

	before before // what a batch has written of it already
}

// Import brings a checkpoint into the store, verifies it, and moves the name. Everything that can be
// checked is checked before the first byte is written; stopped anywhere, the name has what it had,
// and the same call goes on from there. Where the verification says no, the error is ErrRefused
// beside a result that tells why.
func Import(ctx context.Context, store *manifest.Store, o ImportOptions) (ImportResult, error) {
	start := time.Now()
	if err := o.check(); err != nil {
		return ImportResult{}, err
	}
	reports, err := openReports(o.Reports)
	if err != nil {
		return ImportResult{}, err
	}
	defer reports.close()
	src, err := openWhole(ctx, o.Source, o.Plan.MTPFrom, o.Plan.Adapters, o.Watch) // headers, config and tokenizer
	if err != nil {
		return ImportResult{}, err
	}
	defer src.Close()
	name, err := importName(store, src, o)
	if err != nil {
		return ImportResult{}, err
	}
	over, err := composed(store, name, o.Lay, o.Watch) // what a Modelfile says, and what the name has had
	if err != nil {
		return ImportResult{Name: name}, err
	}
	p, err := makePlan(ctx, src, o.Plan, over.parts) // what becomes of each tensor; no weight is read
	if err != nil {
		return ImportResult{Name: name}, err
	}
	answer, err := o.For.judge(p)
	if err != nil {
		return ImportResult{Name: name}, err
	}
	var split *parts
	if o.Part.Of > 0 {
		p = shared(p)
		if split, err = writeParts(ctx, store, src, p, o); err != nil {
			return ImportResult{Name: name}, err
		}
		if len(split.result.Missing) > 0 {
			return split.unfinished(name, start), nil
		}
	}
	s, err := writeStage(ctx, store, src, p, o, split) // every blob on the disk, and none with a name
	if err != nil {
		return ImportResult{Name: name}, err
	}
	defer s.Keep()
	if err := s.lay(ctx, name, over, o.Watch); err != nil {
		return ImportResult{Name: name}, err
	}
	over.warnTemplate(p.Config.Renderer, o.Watch)
	result := s.result(name, start)
	if split != nil {
		split.count(&result)
	}
	result.add(o.before.stats)
	noteValues(o.Watch, o.before.stats)
	result.Laid = over.list()
	result.Ollama = answer
	if o.KeepUnchanged && unchanged(ctx, store, s, &result, o) {
		return result, errors.Join(s.Discard(), signImported(ctx, store, s.manifest, o.Attest, &result))
	}
	if err := judgeStage(ctx, src, p, s, o, reports, &result); err != nil { // the model runs, and answers
		return result, err
	}
	err = publish(ctx, store, s, &result) // one rename: from here on the model can be seen
	if err == nil {
		err = signImported(ctx, store, s.manifest, o.Attest, &result)
	}
	result.Seconds = time.Since(start).Seconds()
	return result, err
}

// check refuses options that make no sense together.
func (o ImportOptions) check() error {
	switch {
	case o.Source == "":
		return optionsf("it names no source")
	case o.Jobs < 0:
		return optionsf("--jobs %d: it is a number of workers, or 0 for one a core", o.Jobs)
	case o.Checks.Level == verifyNone && len(o.Reports) > 0:
		return optionsf("--report %s: --verify none leaves nothing to report", o.Reports[0])
	case o.Checks.Level == verifyNone && o.Attest != nil:
		return optionsf("--attest: --verify none leaves nothing to sign")
	}
	return CheckReports(o.Reports)
}
