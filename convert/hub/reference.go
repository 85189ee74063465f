package hub

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Reference is a repository of models and one state of it.
type Reference struct {
	ID       string // "org/name"
	Revision string // branch, tag or commit; "main" where none was named
}

func (r Reference) String() string { return r.ID + "@" + r.Revision }

var referencePattern = regexp.MustCompile(`^([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([A-Za-z0-9][\w./-]*))?$`)

// ParseReference reads "org/name" or "org/name@revision".
func ParseReference(s string) (Reference, error) {
	m := referencePattern.FindStringSubmatch(s)
	if m == nil || strings.Contains(s, "..") {
		return Reference{}, fmt.Errorf("source %q is neither a directory nor of the form org/name[@revision]", s)
	}
	if m[2] == "" {
		m[2] = "main"
	}
	return Reference{ID: m[1], Revision: m[2]}, nil
}

// settings are what the environment says of the cache and the hub, by the names that the
// huggingface_hub documentation gives them.
type settings struct {
	cache    string // folder of models--org--name
	endpoint string // without a slash at the end
	token    string // "" for none
	offline  bool
}

// CacheDir is the folder of the Hugging Face cache, by HF_HUB_CACHE, HF_HOME and XDG_CACHE_HOME.
func CacheDir() (string, error) {
	s, err := settingsFromEnvironment()
	return s.cache, err
}

func settingsFromEnvironment() (settings, error) {
	user, err := os.UserHomeDir()
	if err != nil && os.Getenv("HF_HOME") == "" {
		return settings{}, fmt.Errorf("no folder for the Hugging Face cache: set HF_HOME: %w", err)
	}
	home := cmp.Or(os.Getenv("HF_HOME"), cmp.Or(os.Getenv("XDG_CACHE_HOME"), user+"/.cache")+"/huggingface")
	s := settings{
		cache:    cmp.Or(os.Getenv("HF_HUB_CACHE"), home+"/hub"),
		endpoint: strings.TrimSuffix(cmp.Or(os.Getenv("HF_ENDPOINT"), "https://huggingface.co"), "/"),
		token:    os.Getenv("HF_TOKEN"),
		offline:  isTrue(os.Getenv("HF_HUB_OFFLINE")),
	}
	if s.token == "" {
		b, err := os.ReadFile(cmp.Or(os.Getenv("HF_TOKEN_PATH"), home+"/token"))
		if err == nil {
			s.token = strings.TrimSpace(string(b))
		}
	}
	return s, nil
}

func isTrue(s string) bool {
	switch strings.ToUpper(s) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}
