package files

import "regexp"

// licences are the names of the text that says what one may do with a model.
var licences = regexp.MustCompile(`(?i)^licen[cs]e(\.(txt|md))?$`)

// IsLicence says whether a file is the model's licence.
func IsLicence(name string) bool { return licences.MatchString(name) }

// IsShipped says whether a file that is no JSON and no shard belongs to the model: the chat template,
// merges.txt, the model card, a notice and the licence.
func IsShipped(name string) bool {
	switch name {
	case ChatTemplate, "merges.txt", cardFile, "NOTICE":
		return true
	}
	return IsLicence(name)
}
