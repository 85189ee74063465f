package qimport

import (
	"context"
	"fmt"

	"qimport/convert/hub"
	"qimport/convert/plan"
	"qimport/manifest"
	"qimport/verify"
	"qimport/verify/report"
)

// provenanceOf is what a report says of where a model came from and how it was made. Shards are hashed
// only if that is asked for, since it reads all of them once more: of those in the Hugging Face cache the
// digest is known, and of all others there is that of the header.
func provenanceOf(ctx context.Context, src Source, plan plan.Plan, o PlanOptions, hash bool) (report.Provenance, error) {
	p := report.Provenance{
		Source: src.Label(), Revision: src.Found.Commit, Plan: manifest.DigestOf([]byte(plan.Text(true, 0))).String(), MTPFrom: o.MTPFrom,
		Parser: plan.Config.Parser, Renderer: plan.Config.Renderer, Requires: plan.Config.Requires,
	}
	var err error
	if p.Files, err = verify.SourceFiles(ctx, src.Source, hash); err != nil {
		return p, err
	}
	for i, shard := range plan.Shards {
		if p.Files[i].SHA256 != "" { // hashed just now
			continue
		}
		if p.Files[i].SHA256, _ = hub.Digest(shard.Path); shard.SHA256 != "" {
			p.Files[i].SHA256 = shard.SHA256
		}
	}
	for _, a := range plan.Adapters {
		p.Adapters = append(p.Adapters, report.Adapter{Name: a.Name, Maker: a.Maker, Scale: a.Scale, SHA256: plan.Shards[a.Shard].SHA256, Config: a.Config})
	}
	p.Rules = append(p.Rules, fmt.Sprintf("policy %s, type %s", o.Recipe.Policy, o.Recipe.Type))
	for _, rule := range o.Recipe.Rules {
		p.Rules = append(p.Rules, rule.String())
	}
	if c := plan.Calibration; c != nil {
		p.Calibration = c.Digest
		if plan.Feedback {
			p.Method = "gptq"
			p.Rules = append(p.Rules, "method gptq: errors are fed back from column to column")
		}
		p.Rules = append(p.Rules, fmt.Sprintf("scales calibrated by %s, of %s over %d tokens", c.Digest, c.Model, c.Tokens))
	}
	if o.MTPFrom != "" {
		p.Rules = append(p.Rules, "MTP head from "+o.MTPFrom)
	}
	return p, nil
}
