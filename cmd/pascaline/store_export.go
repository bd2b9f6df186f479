package main

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/party"
)

// exportReport is the JSON form of an export.
type exportReport struct {
	Pool     string `json:"pool"`
	Exported int    `json:"exported"`
	Left     int    `json:"left"`
	Dir      string `json:"dir"`
	Name     string `json:"name"` // of the folder at the server
}

// newExportName names a folder that is not there yet.
func newExportName() string {
	var b [3]byte
	rand.Read(b[:])
	return fmt.Sprintf("%s-%x", time.Now().UTC().Format("20060102-150405"), b)
}

func exportCommand() *cobra.Command {
	var client clientFlags
	var format, kind, name string
	var n int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "export DIR --kind KIND --count N",
		Short: "Claim correlations and write both parties' halves as files of another program",
		Long: `Export claims correlations of a pool in both stores and writes them as the
preprocessing files of MP-SPDZ (semi2k, Z_2^64): this party's half into DIR, as
player 1, and the server's into a folder of its directory of exports (serve
--exports), under this party's key and --name, as player 0. They are gone from the pool. A few more than --count are
written, because MP-SPDZ reads in blocks; a program that needs all of --count runs.`,
		Example: "  pascaline store export Player-Data --kind triples --count 100000 --key client.key --server-key server.key.pub",
		Args:    commandline.OneArgument("the directory to write to"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != party.FormatMPSPDZ {
				return fmt.Errorf("--format is %q; there is %s", format, party.FormatMPSPDZ)
			}
			spec, err := parsePool(kind, n)
			if err != nil {
				return err
			}
			if err := checkStore(client.store); err != nil {
				return err
			}
			c, err := client.connectPools(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			r := exportReport{Pool: spec.Pool(), Dir: args[0], Name: name}
			if r.Exported, err = c.Export(cmd.Context(), spec, args[0], name); err != nil {
				return err
			}
			if r.Left, err = c.PoolReady(spec); err != nil {
				return err
			}
			if asJSON {
				return printJSON(r)
			}
			fmt.Printf("%d of %s exported to %s, the server's halves to its folder %s; %d are left\n", r.Exported, r.Pool, r.Dir, r.Name, r.Left)
			return nil
		},
	}
	client.addPools(cmd)
	flags := cmd.Flags()
	flags.StringVar(&format, "format", party.FormatMPSPDZ, "format of the files; mp-spdz is the only one")
	flags.StringVar(&kind, "kind", "", "what to export: triples, squares or matrix/MxKxN")
	flags.IntVar(&n, "count", 0, "how many a program needs")
	flags.StringVar(&name, "name", newExportName(), "name of the folder at the server")
	flags.BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.MarkFlagRequired("kind")
	cmd.MarkFlagRequired("count")
	return cmd
}
