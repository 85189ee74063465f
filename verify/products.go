package verify

import (
	"context"
	"fmt"
	"math"

	"github.com/dustin/go-humanize/english"

	"qimport/verify/report"
)

// checkProducts holds every kind of product with packed rows to its definition, on rows of the model: what
// the checks after it find is then the model's, and not the kernels'.
func (r *run) checkProducts(ctx context.Context) report.Check {
	if r.model == nil {
		return notRun("the model did not load")
	}
	found, err := r.model.CheckProducts(ctx)
	if err != nil {
		return notRun("%s", sentences(err))
	}
	worst, used := 0.0, 0
	var wrong, avoided []string
	for _, p := range found {
		switch {
		case !p.Used:
			avoided = append(avoided, p.String())
			continue
		case p.Wrong():
			wrong = append(wrong, p.String())
		}
		used++
		worst = max(worst, p.Off)
	}
	c := pass("no product with packed rows: every weight was decoded")
	if used > 0 {
		c = atMost(worst, 1, fmt.Sprintf("largest error of %s with packed rows, over what rounding allows", english.Plural(used, "kind of product", "kinds of products")))
	}
	switch {
	case len(wrong) > 0:
		c.Passed, c.Detail = report.Failed, first(wrong, "; ")
	case len(avoided) > 0:
		c.Warning = "not used here, their weights were decoded instead: " + first(avoided, "; ")
	}
	if math.IsNaN(worst) {
		c.Passed = report.Failed
	}
	return c
}
