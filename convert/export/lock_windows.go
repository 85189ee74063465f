package export

import "os"

// Folders have no locks here, and one that is open could not be renamed: nothing is ever taken for a
// leftover.

func lockFolder(string) (*os.File, error) { return nil, nil }

func isLeftover(*os.File) bool { return false }
