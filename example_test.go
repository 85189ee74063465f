package qimport_test

import (
	"context"
	"fmt"
	"os"

	"qimport"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/verify"
	"qimport/verify/report"
)

// tempStore is a store for an example.
func tempStore() (*manifest.Store, func()) {
	dir, err := os.MkdirTemp("", "qimport-example-")
	if err != nil {
		panic(err)
	}
	store, err := manifest.Open(dir)
	if err != nil {
		panic(err)
	}
	return store, func() { os.RemoveAll(dir) }
}

// Import a checkpoint in 4 bits, with one kind of tensor in 8, and publish it when all blobs are whole.
// report.Smoke would run the model first.
func ExampleImport() {
	store, remove := tempStore()
	defer remove()
	rule, err := recipe.ParseOverride("**.down_proj=mxfp8")
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := qimport.Import(context.Background(), store, qimport.ImportOptions{
		Source: "testdata/qwen3.5-bf16", Name: "small:nvfp4",
		Plan:   qimport.PlanOptions{Recipe: recipe.Recipe{Type: quant.FormatNVFP4, Rules: []recipe.Rule{rule}}},
		Checks: verify.Options{Level: report.Blobs},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Name, result.Published, result.Tensors, "tensors")
	// Output: small:nvfp4 true 108 tensors
}

// Read a plan, as data, before anything is written.
func ExamplePlan() {
	store, remove := tempStore()
	defer remove()
	planned, err := qimport.Plan(context.Background(), store, qimport.ImportOptions{
		Source: "testdata/qwen3.5-bf16",
		Plan:   qimport.PlanOptions{Recipe: recipe.Recipe{Type: quant.FormatNVFP4}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, blob := range planned.Blobs {
		for _, tensor := range blob.Tensors {
			if tensor.From.Body == "layers.0.mlp.down_proj.weight" {
				fmt.Println(tensor.Source, "becomes", tensor.Target, "by", tensor.Rule)
			}
		}
	}
	fmt.Printf("%.2f bits a weight\n", planned.Totals().BitsPerWeight)
	// Output:
	// bf16 becomes mxfp8 by policy ollama: down_proj promoted to 8 bit
	// 5.94 bits a weight
}

// Verify a directory as it is, and look at one check.
func ExampleVerify() {
	noStore := func() (*manifest.Store, error) { return nil, manifest.ErrNotFound } // not asked for
	verdict, err := qimport.Verify(context.Background(), noStore, "./testdata/qwen3.5-bf16", qimport.VerifyOptions{
		Checks: verify.Options{Level: report.Blobs},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	check, _ := verdict.Check("blobs.tensors")
	fmt.Println(verdict.Passed, check.Detail)
	// Output: true qwen3_5: 108 tensors in 2 formats, 5551024 weights of 16.00 bits
}
