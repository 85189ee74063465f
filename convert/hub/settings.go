package hub

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"strings"

	"qimport/internal/transfer"
)

// settings are what the environment says of the cache and the hub, by the names that the
// huggingface_hub documentation gives them.
type settings struct {
	cache     string // folder of models--org--name
	endpoint  string // without a slash at the end
	token     string // "" for none
	offline   bool
	patience  transfer.Patience
	transport *http.Transport // nil for our own
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
		patience: transfer.UsualPatience(),
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
