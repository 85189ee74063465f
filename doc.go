// Package qimport is the program as a library: it imports a Qwen3.x checkpoint into a store that
// Ollama reads, and proves the result by running it.
//
//	store, err := manifest.Open("/mnt/models")
//	...
//	result, err := qimport.Import(ctx, store, qimport.ImportOptions{
//		Source: "./Qwen3.5-0.8B",
//		Plan:   qimport.PlanOptions{Recipe: recipe.Recipe{Type: quant.FormatNVFP4}},
//		Checks: verify.Options{Level: report.Smoke},
//	})
//
// Import reads as one page, a call a stage: open the source, plan, write blobs, run the model, move
// the name. Plan stops after the second. Verify judges what is in the store already, Batch carries
// out many imports. A Request is an import in the words of flags and batch files; its Options method
// is the one place that gives these words their meaning.
//
// What happens on the way goes to a Watcher. This package must not know flags, the terminal or exit
// statuses; how a stage works is the business of the packages below it.
package qimport
