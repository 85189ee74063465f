package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// The groups in which flags are told, in this order.
const (
	sourceGroup  = "Source"
	formatsGroup = "Formats"
	layGroup     = "Laid over the model"
	answerGroup  = "Answer"
	checkGroup   = "Verification"
	runtimeGroup = "Running"
	trustGroup   = "Signatures"
	storeGroup   = "Store"
	outputGroup  = "Output"
)

var groups = []string{sourceGroup, formatsGroup, layGroup, answerGroup, checkGroup, runtimeGroup, trustGroup, storeGroup, outputGroup}

// rarely marks the group of a flag that a command's help only names; its man page tells of it.
const rarely = " (rarely)"

// group puts flags into a group.
func group(name string, flags ...cli.Flag) []cli.Flag {
	for _, f := range flags {
		*category(f) = name
	}
	return flags
}

// rare puts flags into a group that few imports need.
func rare(name string, flags ...cli.Flag) []cli.Flag { return group(name+rarely, flags...) }

// category is the field of a flag that holds its group.
func category(flag cli.Flag) *string {
	switch f := flag.(type) {
	case *cli.StringFlag:
		return &f.Category
	case *cli.StringSliceFlag:
		return &f.Category
	case *cli.BoolFlag:
		return &f.Category
	case *cli.IntFlag:
		return &f.Category
	case *cli.IntSliceFlag:
		return &f.Category
	case *cli.Uint64Flag:
		return &f.Category
	case *cli.Float64Flag:
		return &f.Category
	case *cli.DurationFlag:
		return &f.Category
	}
	panic(fmt.Sprintf("flag %v is of a kind that no command has yet", flag.Names())) // every command's are made when the program starts
}
