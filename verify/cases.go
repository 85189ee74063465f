package verify

import (
	"fmt"
	"io"

	"qimport/internal/untrusted"
	"qimport/internal/untrusted/yamldoc"
	"qimport/verify/report"
)

// Case is one prompt, put to the model as a chat turn, and what its answer must hold.
type Case struct {
	Prompt string `yaml:"prompt"`
	System string `yaml:"system"`
	// Pictures are files, relative to the file of cases, that stand before the prompt; see OpenPictures.
	Pictures []string `yaml:"pictures"`
	// Expect is a regular expression (RE2) searched for in the answer; empty takes any answer.
	Expect string `yaml:"expect"`
	// Tokens bounds the answer; 0 means 256.
	Tokens int `yaml:"tokens"`
	// Think leaves the model's thinking on, where its template has the choice.
	Think bool `yaml:"think"`

	files [][]byte // of the pictures
}

// DefaultCases are asked when nobody gives any: what the smallest chat model knows, counts, and
// remembers of what was just said, which is attention's and the delta state's work.
func DefaultCases() []Case {
	return []Case{
		{Prompt: "What is 2+2?", Expect: `\b(4|four)\b`},
		{Prompt: "What is the capital of France?", Expect: `Paris`},
		{Prompt: "Count from 8 to 21.", Expect: `(?s)8\b.*\b14\b.*\b15\b.*\b20\b.*\b21`},
		{Prompt: "The code of Ada is 41. The code of Leo is 17. The code of Mia is 93. The code of Sam is 28. " +
			"The code of Finn is 65. What is the code of Mia?", Expect: `\b93\b`},
	}
}

// answerTokens bounds an answer whose case does not.
const answerTokens = 256

// maxCases bounds a file of cases, in bytes.
const maxCases = 4 << 20

// ReadCases reads a YAML list of cases:
//
//	# comments are welcome
//	- prompt: What is 2+2?
//	  expect: '\b4\b'
//	- prompt: Name a prime number.
//	  system: Answer with one word.
//	  expect: (?i)two|three|five|seven
//	  tokens: 16
//	- prompt: What colour is the ball?
//	  pictures: [ball.png]
//	  expect: (?i)red
//
// name is what errors call the file. Unknown keys, empty prompts and bad expressions are errors.
func ReadCases(r io.Reader, name string) ([]Case, error) {
	var cases []Case
	body, err := yamldoc.Read(r, "it", maxCases)
	if err == nil && body != nil {
		err = yamldoc.Decode(body, &cases)
	}
	if err != nil {
		return nil, fmt.Errorf("cases in %s: %w", name, err)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("cases in %s: the list is empty, and a check that asks nothing proves nothing", name)
	}
	for i, c := range cases {
		if err := c.Validate(); err != nil {
			return nil, fmt.Errorf("case %d of %s: %w", i+1, name, err)
		}
	}
	return cases, nil
}

// Validate refuses what cannot be asked or judged.
func (c Case) Validate() error {
	if c.Prompt == "" {
		return fmt.Errorf("it has no prompt")
	}
	if c.Tokens < 0 {
		return fmt.Errorf("prompt %q: %d tokens is not a bound", c.Prompt, c.Tokens)
	}
	if _, err := untrusted.Regexp(c.Expect); err != nil {
		return fmt.Errorf("prompt %q: %w", c.Prompt, err)
	}
	return nil
}

// judge holds an answer to what the case expects.
func (c Case) judge(answer string) report.Check {
	if c.Expect == "" {
		return pass("%q answered %q", clip(c.Prompt), clip(answer))
	}
	re, err := untrusted.Regexp(c.Expect)
	if err != nil {
		return notRun("%v", err)
	}
	if !re.MatchString(answer) {
		return fail("%q answered %q, which does not match %s", clip(c.Prompt), clip(answer), c.Expect)
	}
	return pass("%q answered %q, which matches %s", clip(c.Prompt), clip(answer), c.Expect)
}
