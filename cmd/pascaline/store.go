package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pascaline/link"
	"pascaline/store"
)

// entryReport is the JSON form of one line of store ls.
type entryReport struct {
	Peer    string `json:"peer"`
	Plan    string `json:"plan"`
	Ready   int    `json:"ready"`
	Pending int    `json:"pending"`
	Claimed int    `json:"claimed"`
	Bytes   int64  `json:"bytes"`
}

func storeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Look into a party's store"}
	var asJSON bool
	ls := &cobra.Command{
		Use:   "ls DIR",
		Short: "List what a store holds: bundles by peer and plan",
		Long: `Ls lists how many bundles a store holds for each peer and plan: ready for use,
pending (written, not yet confirmed by both parties), and claimed so far. One
inference spends one bundle.`,
		Example: "  pascaline store ls client-store",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); err != nil {
				return fmt.Errorf("there is no store at %s: %w", args[0], err)
			}
			st, err := store.Open(args[0])
			if err != nil {
				return err
			}
			defer st.Close()
			entries, err := st.Inventory()
			if err != nil {
				return err
			}
			reports := make([]entryReport, len(entries))
			for i, e := range entries {
				reports[i] = entryReport{
					Peer: link.PublicKey(e.Pair.Peer).String(), Plan: fmt.Sprintf("%x", e.Pair.Plan),
					Ready: e.Ready, Pending: e.Pending, Claimed: e.Claimed, Bytes: e.Bytes,
				}
			}
			if asJSON {
				return printJSON(reports)
			}
			if len(reports) == 0 {
				fmt.Println("the store is empty; pascaline produce fills it")
				return nil
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "PLAN\tREADY\tPENDING\tCLAIMED\tSIZE\tPEER")
			for _, r := range reports {
				fmt.Fprintf(w, "%.12s\t%d\t%d\t%d\t%.1f MB\t%s\n", r.Plan, r.Ready, r.Pending, r.Claimed, float64(r.Bytes)/1e6, r.Peer)
			}
			return w.Flush()
		},
	}
	ls.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	cmd.AddCommand(ls)
	return cmd
}
