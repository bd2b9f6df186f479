package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/link"
	"pascaline/store"
)

// storeReport is the JSON form of store ls.
type storeReport struct {
	Bundles []entryReport `json:"bundles"`
	Pools   []stockReport `json:"pools"`
}

// entryReport is one line of bundles.
type entryReport struct {
	Peer    string `json:"peer"`
	Plan    string `json:"plan"`
	Twin    string `json:"twin"` // id of the peer's store
	Ready   int    `json:"ready"`
	Pending int    `json:"pending"`
	Claimed int    `json:"claimed"`
	Bytes   int64  `json:"bytes"`
}

// stockReport is one line of pools.
type stockReport struct {
	Pool     string `json:"pool"`
	Peer     string `json:"peer"`
	Twin     string `json:"twin"`
	Batches  int    `json:"batches"`
	Ready    int    `json:"ready"` // elements
	Pending  int    `json:"pending"`
	Spent    int    `json:"spent"`
	Bytes    int64  `json:"bytes"`
	Suffices string `json:"suffices"`
}

func storeCommand() *cobra.Command {
	cmd := commandline.Family(&cobra.Command{Use: "store", Short: "Look into a party's store, verify and export what it holds"})
	var asJSON bool
	ls := &cobra.Command{
		Use:   "ls DIR",
		Short: "List what a store holds: bundles by peer and plan, and pools of other kinds",
		Long: `Ls lists how many bundles a store holds for each peer and plan: ready for use,
pending (written, not yet confirmed by both parties), and claimed so far. One
inference spends one bundle, and it can be spent only with the peer's store that
it was made with, its twin. Of pools it lists elements, and what they suffice for.`,
		Example: "  pascaline store ls client-store",
		Args:    commandline.OneArgument("the directory of a store"),
		RunE: func(_ *cobra.Command, args []string) error {
			st, err := openExisting(args[0])
			if err != nil {
				return err
			}
			defer st.Close()
			report, err := takeStock(st)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(report)
			}
			return report.print()
		},
	}
	ls.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	cmd.AddCommand(ls, forgetCommand(), verifyCommand(), exportCommand())
	return cmd
}

func takeStock(st *store.Store) (report storeReport, err error) {
	report = storeReport{Bundles: []entryReport{}, Pools: []stockReport{}}
	entries, err := st.Inventory()
	if err != nil {
		return report, err
	}
	for _, e := range entries {
		report.Bundles = append(report.Bundles, entryReport{
			Peer: link.PublicKey(e.Pair.Peer).String(), Plan: fmt.Sprintf("%x", e.Pair.Plan), Twin: e.Pair.Twin.String(),
			Ready: e.Ready, Pending: e.Pending, Claimed: e.Claimed, Bytes: e.Bytes,
		})
	}
	stock, err := st.Pools()
	for _, p := range stock {
		report.Pools = append(report.Pools, stockReport{
			Pool: p.Kind, Peer: link.PublicKey(p.Pair.Peer).String(), Twin: p.Pair.Twin.String(), Batches: p.Batches,
			Ready: p.Ready, Pending: p.Pending, Spent: p.Spent, Bytes: p.Bytes, Suffices: suffices(p.Kind, p.Ready),
		})
	}
	return report, err
}

func (r *storeReport) print() error {
	if len(r.Bundles)+len(r.Pools) == 0 {
		fmt.Println("the store is empty; pascaline produce fills it")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	if len(r.Bundles) > 0 {
		fmt.Fprintln(w, "PLAN\tREADY\tPENDING\tCLAIMED\tSIZE\tTWIN\tPEER")
	}
	for _, b := range r.Bundles {
		fmt.Fprintf(w, "%.12s\t%d\t%d\t%d\t%.1f MB\t%.12s\t%s\n", b.Plan, b.Ready, b.Pending, b.Claimed, float64(b.Bytes)/1e6, b.Twin, b.Peer)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(r.Bundles) > 0 && len(r.Pools) > 0 {
		fmt.Println()
	}
	if len(r.Pools) > 0 {
		fmt.Fprintln(w, "POOL\tREADY\tPENDING\tSPENT\tSIZE\tSUFFICES FOR\tTWIN\tPEER")
	}
	for _, p := range r.Pools {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.1f MB\t%s\t%.12s\t%s\n", p.Pool, p.Ready, p.Pending, p.Spent, float64(p.Bytes)/1e6, p.Suffices, p.Twin, p.Peer)
	}
	return w.Flush()
}

func forgetCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "forget DIR TWIN",
		Short: "Drop all that was made with a peer's store which is gone",
		Long: `Forget drops what a store holds for another party's store, named by its id or
the beginning of it as store ls shows it. Nothing else needs it: halves whose
twins are gone are dropped when the two stores meet, and this is for stores that
will never meet again.`,
		Example: "  pascaline store forget client-store 3f9a02",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("%s needs the directory of a store and the id of a twin, as in: %s", cmd.CommandPath(), commandline.FirstExample(cmd))
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
			fmt.Printf("dropped %d bundles and batches\n", dropped)
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "drop what is ready for use, too")
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
	batches, err := forgetPools(st, prefix, meant)
	if err != nil {
		return dropped, err
	}
	dropped, found = dropped+batches, found || batches > 0
	if !found {
		return 0, fmt.Errorf("nothing here was made with a store whose id begins with %q: see pascaline store ls", prefix)
	}
	return dropped, nil
}

// forgetPools is forget for batches of pools.
func forgetPools(st *store.Store, prefix string, meant bool) (dropped int, err error) {
	stock, err := st.Pools()
	if err != nil {
		return 0, err
	}
	for _, p := range stock {
		if !strings.HasPrefix(p.Pair.Twin.String(), prefix) {
			continue
		}
		if p.Ready > 0 && !meant {
			return dropped, fmt.Errorf("%d of %s made with the store %.12s are ready for use: drop them with --yes, if that store is gone for good", p.Ready, p.Kind, p.Pair.Twin)
		}
		batches, err := st.Batches(p.Pair)
		if err != nil {
			return dropped, err
		}
		for _, b := range batches {
			if b.Kind != p.Kind {
				continue
			}
			if err := st.Drop(p.Pair, []store.ID{b.ID}); err != nil {
				return dropped, err
			}
			dropped++
		}
	}
	return dropped, nil
}
