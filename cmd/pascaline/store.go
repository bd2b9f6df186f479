package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pascaline/link"
	"pascaline/store"
)

// entryReport is the JSON form of one line of store ls.
type entryReport struct {
	Peer    string `json:"peer"`
	Plan    string `json:"plan"`
	Twin    string `json:"twin"` // id of the peer's store
	Ready   int    `json:"ready"`
	Pending int    `json:"pending"`
	Claimed int    `json:"claimed"`
	Bytes   int64  `json:"bytes"`
}

func storeCommand() *cobra.Command {
	cmd := family(&cobra.Command{Use: "store", Short: "Look into a party's store"})
	var asJSON bool
	ls := &cobra.Command{
		Use:   "ls DIR",
		Short: "List what a store holds: bundles by peer and plan",
		Long: `Ls lists how many bundles a store holds for each peer and plan: ready for use,
pending (written, not yet confirmed by both parties), and claimed so far. One
inference spends one bundle, and it can be spent only with the peer's store that
it was made with, its twin.`,
		Example: "  pascaline store ls client-store",
		Args:    oneArgument("the directory of a store"),
		RunE: func(_ *cobra.Command, args []string) error {
			st, err := openExisting(args[0])
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
					Peer: link.PublicKey(e.Pair.Peer).String(), Plan: fmt.Sprintf("%x", e.Pair.Plan), Twin: e.Pair.Twin.String(),
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
			fmt.Fprintln(w, "PLAN\tREADY\tPENDING\tCLAIMED\tSIZE\tTWIN\tPEER")
			for _, r := range reports {
				fmt.Fprintf(w, "%.12s\t%d\t%d\t%d\t%.1f MB\t%.12s\t%s\n", r.Plan, r.Ready, r.Pending, r.Claimed, float64(r.Bytes)/1e6, r.Twin, r.Peer)
			}
			return w.Flush()
		},
	}
	ls.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	cmd.AddCommand(ls, forgetCommand())
	return cmd
}

func forgetCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "forget DIR TWIN",
		Short: "Drop all bundles that were made with a peer's store which is gone",
		Long: `Forget drops what a store holds for another party's store, named by its id or
the beginning of it as store ls shows it. Nothing else needs it: halves whose
twins are gone are dropped when the two stores meet, and this is for stores that
will never meet again.`,
		Example: "  pascaline store forget client-store 3f9a02",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("%s needs the directory of a store and the id of a twin, as in: %s", cmd.CommandPath(), firstExample(cmd))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			st, err := openExisting(args[0])
			if err != nil {
				return err
			}
			defer st.Close()
			dropped, err := forget(st, args[1], yes)
			if err != nil {
				return err
			}
			fmt.Printf("dropped %s\n", count(dropped, "bundle"))
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "drop bundles even if they are ready for use")
	return cmd
}

// openExisting opens a store, and makes none where there is none.
func openExisting(dir string) (*store.Store, error) {
	if err := checkStore(dir); err != nil {
		return nil, err
	}
	return store.Open(dir)
}

// minTwin is how many digits of a store's id it takes to name it.
const minTwin = 6

// forget drops the halves of all pairs whose twin's id begins with prefix, ready
// ones only if that is meant.
func forget(st *store.Store, prefix string, meant bool) (dropped int, err error) {
	if len(prefix) < minTwin {
		return 0, fmt.Errorf("%q is too short to name a store: give at least %d digits of its id, as store ls shows it", prefix, minTwin)
	}
	entries, err := st.Inventory()
	if err != nil {
		return 0, err
	}
	found := false
	for _, e := range entries {
		if !strings.HasPrefix(e.Pair.Twin.String(), prefix) {
			continue
		}
		found = true
		if e.Ready > 0 && !meant {
			return dropped, fmt.Errorf("%s made with the store %.12s are ready for use: drop them with --yes, if that store is gone for good", count(e.Ready, "bundle"), e.Pair.Twin)
		}
		halves, err := st.Halves(e.Pair)
		if err != nil {
			return dropped, err
		}
		ids := make([]store.ID, len(halves))
		for i, h := range halves {
			ids[i] = h.ID
		}
		if err := st.Drop(e.Pair, ids); err != nil {
			return dropped, err
		}
		dropped += len(ids)
	}
	if !found {
		return 0, fmt.Errorf("nothing here was made with a store whose id begins with %q: see pascaline store ls", prefix)
	}
	return dropped, nil
}
