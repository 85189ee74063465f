package verify

import (
	"math"
	"path/filepath"
	"testing"

	"qimport/verify/report"
)

// TestTransposedGrid measures why no question finds a transposed grid of positions in the small models: how much
// likelier than the other corner's shape they hold the one that is asked for stays as it is. A model in which
// it does not would be worth a check.
func TestTransposedGrid(t *testing.T) {
	folder := fixtures(t)
	needMLX(t)
	for _, model := range []string{seeing, seeingMixture} {
		good := copyCheckpoint(t, filepath.Join(folder, model))
		damaged := copyCheckpoint(t, filepath.Join(folder, model))
		towerTensor("pos_embed.weight", transposeGrid)(damaged)
		was, is := cornersTold(t, good.dir), cornersTold(t, damaged.dir)
		t.Logf("%s: by %.3f nats a question, with the grid transposed by %.3f", model, was, is)
		if !(math.Abs(was-is) < 0.2) {
			t.Errorf("%s: the grid transposed changes it from %.3f nats to %.3f", model, was, is)
		}
	}
}

// cornersTold is by how many nats a question the right of two answers about opposite corners is likelier.
func cornersTold(t *testing.T, dir string) float64 {
	t.Helper()
	o := Options{Level: report.Smoke, Lengths: []int{1}}
	r := &run{Target: Directory("corners", dir), Options: o, report: newReport(Directory("corners", dir), o)}
	defer r.close()
	for _, s := range append(r.blobSteps(), step{"smoke.load", r.checkLoad}) {
		if err := r.do(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if r.model == nil {
		t.Fatalf("the model did not load: %+v", r.report.Checks)
	}
	sum, asked := 0.0, 0
	for _, pair := range [][2]string{{"red", "green"}, {"green", "red"}, {"blue", "yellow"}, {"yellow", "blue"}, {"red", "blue"}, {"blue", "red"}} {
		picture := draw("corners", circleAt(pair[0], 100, 24), circleAt(pair[1], 28, 72))
		for i, question := range []string{"What is in the top right?", "What is in the bottom left?"} {
			c := about(question, "", picture)
			sum += likelihood(t, r, c, "A "+pair[i]+" circle.") - likelihood(t, r, c, "A "+pair[1-i]+" circle.")
			asked++
		}
	}
	return sum / float64(asked)
}

// likelihood is the natural logarithm of how likely an answer to a question is.
func likelihood(t *testing.T, r *run, c Case, answer string) (sum float64) {
	t.Helper()
	ids := r.model.Tokenizer.Encode(answer)
	rows, err := r.follow(t.Context(), c.request(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		total := 0.0
		for _, v := range rows[i] {
			total += math.Exp(float64(v - rows[i][id]))
		}
		sum -= math.Log(total)
	}
	return sum
}
