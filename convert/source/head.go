package source

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/arch/files"
	"qimport/convert/safetensors"
)

// settleHeadNorms tells the form of the multi-token-prediction head's norms, and judges them. Beside a body in
// release form it is the release's. Beside a converted body, which its maker's tool had dropped it from, it
// may be either, and its own values tell; plain where they do not.
func (s *Source) settleHeadNorms() error {
	norms, err := s.readNorms(true)
	if err != nil || len(norms) == 0 {
		return err
	}
	inv := &s.inv
	if inv.HeadForm = inv.NormForm; inv.NormForm == arch.NormsShifted {
		inv.HeadForm, _, _ = formOfValues(norms)
	}
	inv.judgeHead(norms)
	return nil
}

// judgeHead notes what is wrong with the head's norms. That their form cannot be told, the plan says.
func (inv *Inventory) judgeHead(norms []normVector) {
	if inv.HeadNorms = wrongHeadNorms(norms, inv.HeadForm); inv.HeadNorms != "" && inv.HeadForm != arch.NormsPlain {
		inv.note("the mtp head does not fit: %s", inv.HeadNorms)
	}
}

// wrongHeadNorms says what is wrong with the head's norms for a reader that takes them to be of that form;
// "" if nothing is.
func wrongHeadNorms(norms []normVector, form arch.NormForm) string {
	if form == arch.NormsPlain {
		return fmt.Sprintf("tensor %s: the norms of the head are neither around 0 nor around 1, so that it cannot be told whether they lack the 1 that conversions add", norms[0].name)
	}
	var gains []normGains
	for _, n := range norms {
		gains = append(gains, measureGains(n.name, n.w, form))
	}
	switch verdict, of := verdictOf(gains); verdict {
	case normsTwice:
		return fmt.Sprintf("tensor %s: the model is in release form, but the norms of its head are shifted already: %d of %d are around 1 (this one %.2f), and a reader will add 1 again",
			gains[0].name, of, len(gains), gains[0].mean-1)
	case normsNever:
		return fmt.Sprintf("tensor %s: 1 was taken from the norms of the head once too often: %d of %d are around -1 (this one %.2f)",
			gains[0].name, of, len(gains), gains[0].mean-1)
	}
	return ""
}

// HasHead says whether there is a multi-token-prediction head.
func (inv Inventory) HasHead() bool {
	return slices.ContainsFunc(inv.Tensors, func(t Tensor) bool { return t.MTP })
}

// TakeHead takes in the multi-token-prediction head of another source, of the same model in another
// form: vocabulary, width and what the head consists of must be this model's. The files of the head are
// this source's to close from then on, and from is not used any more.
func (s *Source) TakeHead(from *Source) error {
	other := from.Inventory()
	switch a, b := s.inv.Config, other.Config; {
	case s.inv.HasHead():
		return fmt.Errorf("%w: %s has a multi-token-prediction head of its own", ErrSource, s.inv.Origin)
	case !other.HasHead():
		return fmt.Errorf("%w: %s has no multi-token-prediction head", ErrSource, other.Origin)
	case other.HeadFlaw != "":
		return fmt.Errorf("%w: the multi-token-prediction head of %s is not whole: %s", ErrSource, other.Origin, other.HeadFlaw)
	case a.Family != b.Family || a.VocabSize != b.VocabSize || a.HiddenSize != b.HiddenSize:
		return fmt.Errorf("%w: %s is another model: it is %s with %d tokens and a width of %d, %s is %s with %d and %d",
			ErrSource, other.Origin, b.Family, b.VocabSize, b.HiddenSize, s.inv.Origin, a.Family, a.VocabSize, a.HiddenSize)
	}
	if err := s.sameVocabulary(from); err != nil {
		return err
	}
	return s.takeHead(from)
}

// sameVocabulary refuses a head that was trained on other tokens.
func (s *Source) sameVocabulary(from *Source) error {
	mine, err := s.vocabulary()
	if err != nil {
		return err
	}
	theirs, err := from.vocabulary()
	if err != nil {
		return err
	}
	if mine != nil && theirs != nil && !maps.Equal(mine, theirs) {
		return fmt.Errorf("%w: %s has another vocabulary in its tokenizer.json than %s", ErrSource, from.inv.Origin, s.inv.Origin)
	}
	return nil
}

// vocabulary is the ids of tokenizer.json; nil if there is none.
func (s *Source) vocabulary() (map[string]int, error) {
	b, err := s.file(files.Tokenizer)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := parseVocabulary(b)
	return v.ids, err
}

// takeHead adds tensors and files.
func (s *Source) takeHead(from *Source) error {
	inv := s.inv
	inv.Tensors, inv.Shards = slices.Clone(inv.Tensors), slices.Clone(inv.Shards)
	shards, at := slices.Clone(s.shards), map[int]int{}
	for _, t := range from.inv.Tensors {
		if !t.MTP {
			continue
		}
		t.Pieces = slices.Clone(t.Pieces)
		for i := range t.Pieces {
			for _, part := range t.Pieces[i].arrays() {
				if !part.Exists() {
					continue
				}
				if _, known := at[part.Shard]; !known {
					at[part.Shard] = len(inv.Shards)
					inv.Shards = append(inv.Shards, from.inv.Shards[part.Shard])
					shards = append(shards, from.shards[part.Shard])
				}
				part.Shard = at[part.Shard]
			}
		}
		inv.Tensors = append(inv.Tensors, t)
	}
	slices.SortFunc(inv.Tensors, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	if err := inv.checkNeeds(); err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	if inv.HeadFlaw != "" {
		return fmt.Errorf("%w: the multi-token-prediction head of %s is not of this model: %s", ErrSource, from.inv.Origin, inv.HeadFlaw)
	}
	inv.HeadForm, inv.HeadNorms = from.inv.HeadForm, from.inv.HeadNorms
	inv.note("the multi-token-prediction head is that of %s", from.inv.Origin)
	s.inv, s.shards = inv, shards
	return from.closeBut(at)
}

// closeBut closes the files that nobody has taken over.
func (s *Source) closeBut(taken map[int]int) error {
	var rest []*safetensors.File
	for i, f := range s.shards {
		if _, kept := taken[i]; !kept {
			rest = append(rest, f)
		}
	}
	s.shards = rest
	return s.Close()
}
