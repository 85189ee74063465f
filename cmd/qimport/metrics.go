package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"qimport"
)

func metricsFlag() cli.Flag {
	return &cli.StringFlag{Name: "metrics", Usage: "write what the run did and took to `FILE`, as OpenMetrics text\nIt is written however the run ends, in place of that of the run before."}
}

// metered carries out a command whose numbers --metrics wants.
func (c call) metered(ctx context.Context, model string, do func(*qimport.Meter) error) error {
	m, err := qimport.OpenMeter(c.String("metrics"), c.Command.Name, version, model, c.stdio)
	if err != nil {
		return err
	}
	defer m.Close()
	err = do(m)
	status, _ := exitStatus(ctx, err)
	return errors.Join(err, m.Write(status))
}
