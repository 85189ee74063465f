package verify

import (
	"fmt"
	"io"

	"qimport/internal/untrusted/yamldoc"
	"qimport/verify/report"
)

// Case is one prompt, put to the model as a chat turn, and what its answer must hold; or a conversation that
// begins with it.
type Case struct {
	Prompt string `yaml:"prompt"`
	System string `yaml:"system"`
	// Pictures are files, relative to the file of cases, that stand before the prompt; see OpenPictures.
	Pictures []string `yaml:"pictures"`
	// Expect is a regular expression (RE2) searched for in the answer; empty takes any answer.
	Expect string `yaml:"expect"`
	// Tokens bounds the answer; 0 means 256.
	Tokens int `yaml:"tokens"`
	// Think leaves the model's thinking on, where its template has the choice. What is asked of an answer is
	// asked of what follows the thought, which has to be closed.
	Think bool `yaml:"think"`
	// Tools are on offer in every turn: the JSON schema of a function, or that with {"type": "function"}
	// around it.
	Tools []Value `yaml:"tools"`
	// Calls, JSON, Keys and Said are as in Turn, of the first turn.
	Calls []Call   `yaml:"calls"`
	JSON  bool     `yaml:"json"`
	Keys  []string `yaml:"keys"`
	Said  *string  `yaml:"answer"`
	// Then are the turns that follow.
	Then []Turn `yaml:"then"`

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
//	- prompt: What is the weather in Oban?
//	  tools: [{name: weather, parameters: {type: object, properties: {city: {type: string}}}}]
//	  calls: [{name: weather, arguments: {city: Oban}}]
//	  then:
//	  - results: ['{"celsius": 11}']
//	    expect: \b11\b
//	  - prompt: Say it as JSON with the keys city and celsius.
//	    keys: [city, celsius]
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
	if len(c.Then) >= maxTurns {
		return fmt.Errorf("prompt %q: it has %d turns, and %d are the most", clip(c.Prompt), 1+len(c.Then), maxTurns)
	}
	asked := false
	for i, t := range c.turns() {
		if err := t.validate(c.Tools); err != nil {
			if len(c.Then) > 0 {
				err = fmt.Errorf("turn %d: %w", i+1, err)
			}
			return fmt.Errorf("prompt %q: %w", clip(c.Prompt), err)
		}
		asked = asked || t.Said == nil
	}
	if !asked {
		return fmt.Errorf("prompt %q: every answer is given, and nothing is asked", clip(c.Prompt))
	}
	for i, tool := range c.Tools {
		if _, err := toolOf(tool); err != nil {
			return fmt.Errorf("prompt %q: tool %d: %w", clip(c.Prompt), i+1, err)
		}
	}
	return nil
}

// judge holds an answer to what the case expects of the text.
func (c Case) judge(answer string) report.Check { return c.turns()[0].judgeText(answer) }
