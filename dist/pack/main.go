// Pack is what `make dist` does to a folder that is to become a release, and a shell cannot do the same
// everywhere: it looks whether every library that is loaded lies in the folder or belongs to the system,
// completes the list of what is inside, and packs the folder into the same bytes each time.
//
// It must not know how anything in the folder was built.
//
//	go run ./dist/pack check FOLDER
//	go run ./dist/pack sbom FILE NOTICES COMPONENT=VERSION=LICENCE...
//	go run ./dist/pack archive FOLDER ARCHIVE(.tar.gz|.zip)
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) >= 2 {
		switch {
		case args[0] == "check" && len(args) == 2:
			return check(args[1], out)
		case args[0] == "sbom" && len(args) > 2:
			return completeSBOM(args[1], args[2], args[3:], made())
		case args[0] == "archive" && len(args) == 3:
			return pack(args[1], args[2], made())
		}
	}
	return fmt.Errorf("usage: pack check FOLDER | sbom FILE NOTICES COMPONENT=VERSION=LICENCE... | archive FOLDER ARCHIVE")
}

// made is when all of it was made: SOURCE_DATE_EPOCH, else the beginning of time.
func made() time.Time {
	seconds, _ := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	return time.Unix(seconds, 0).UTC()
}
