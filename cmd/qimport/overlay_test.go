package main

import (
	"slices"
	"testing"

	"qimport"
	"qimport/runtime"
	"qimport/runtime/chat"
)

// TestOverlaid: a Modelfile's words hold where no flag says otherwise.
func TestOverlaid(t *testing.T) {
	temperature, topK, predict, seed, negative := 0.5, 20, 7, int64(3), int64(-1)
	over := qimport.Overlay{System: "You are a pirate.", Parameters: qimport.Parameters{
		Temperature: &temperature, TopK: &topK, TopP: &temperature, MinP: &temperature, RepeatPenalty: &temperature,
		NumPredict: &predict, Seed: &seed, Stop: []string{"x"},
	}}
	all := overlaid(runtime.GenerateOptions{}, over, func(string) bool { return false })
	if all.Sampling != (runtime.Sampling{Temperature: 0.5, TopK: 20, TopP: 0.5, MinP: 0.5, RepetitionPenalty: 0.5, Seed: 3}) ||
		all.MaxTokens != 7 || !slices.Equal(all.Stop, []string{"x"}) || len(all.Messages) != 1 || all.Messages[0].Content != over.System {
		t.Errorf("%+v", all)
	}
	flags := runtime.GenerateOptions{Sampling: runtime.Sampling{Seed: 9}, MaxTokens: 1, Stop: []string{"y"}, Messages: []chat.Message{{Role: "system", Content: "Be brief."}}}
	won := overlaid(flags, over, func(string) bool { return true })
	if won.Sampling != flags.Sampling || won.MaxTokens != 1 || !slices.Equal(won.Stop, []string{"y"}) || len(won.Messages) != 1 || won.Messages[0].Content != "Be brief." {
		t.Errorf("%+v", won)
	}
	if raw := overlaid(runtime.GenerateOptions{}, over, func(flag string) bool { return flag == "raw" }); len(raw.Messages) > 0 {
		t.Errorf("%+v", raw.Messages)
	}
	over.Parameters.Seed, over.Parameters.NumPredict = &negative, new(int)
	if o := overlaid(runtime.GenerateOptions{}, over, func(string) bool { return false }); o.Sampling.Seed != 0 || o.MaxTokens != 0 {
		t.Errorf("%+v", o)
	}
}
