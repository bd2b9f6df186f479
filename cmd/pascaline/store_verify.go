package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/party"
)

// verificationReport is the JSON form of a verification.
type verificationReport struct {
	Pool    string  `json:"pool"`
	Checked int     `json:"checked"`
	Left    int     `json:"left"`
	Seconds float64 `json:"seconds"`
}

func verifyCommand() *cobra.Command {
	var client clientFlags
	var kind string
	var n int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify --kind KIND",
		Short: "Open a random sample of a pool with the server, check it, and burn it",
		Long: `Verify claims elements at random places of a pool, opens them to both parties,
who check that they are what they should be, and burns them. Of a fixed operand a
whole batch is opened. It is for backends that one has reason to doubt; it finds
what is wrong in one of P elements with probability 1 − (1 − P)^count.`,
		Example: "  pascaline store verify --kind triples --key client.key --server-key server.key.pub",
		Args:    commandline.NoArguments("which pool, --kind says; the store goes with --store"),
		RunE: func(cmd *cobra.Command, _ []string) error {
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
			began := time.Now()
			v, err := c.Verify(cmd.Context(), spec)
			if err != nil {
				if len(v.Claimed) > 0 && !errors.Is(err, party.ErrFaulty) {
					err = &commandline.Partial{Err: err, Done: "the sample is burnt"}
				}
				return err
			}
			r := verificationReport{Pool: spec.Pool(), Checked: v.Checked, Seconds: time.Since(began).Seconds()}
			if r.Left, err = c.PoolReady(spec); err != nil {
				return err
			}
			if asJSON {
				return printJSON(r)
			}
			fmt.Printf("%d of %s opened and found right; they are burnt, %d are left\n", r.Checked, r.Pool, r.Left)
			return nil
		},
	}
	client.addPools(cmd)
	flags := cmd.Flags()
	flags.StringVar(&kind, "kind", "", "pool to verify: "+kindUsage)
	flags.IntVar(&n, "count", 1000, "how many elements to open")
	flags.BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.MarkFlagRequired("kind")
	return cmd
}
