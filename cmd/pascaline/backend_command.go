package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pascaline/correlation"
	"pascaline/dealer"
	"pascaline/internal/commandline"
	"pascaline/link"
	"pascaline/plugins"
	"pascaline/plugins/conformance"
	"pascaline/plugins/sdk"
)

func backendCommand() *cobra.Command {
	cmd := commandline.Family(&cobra.Command{Use: "backend", Short: "List, check and measure what makes correlations"})
	cmd.AddCommand(backendListCommand(), backendCheckCommand(), backendBenchCommand(), backendServeCommand())
	return cmd
}

// backendServeCommand is what a host starts for a built-in backend.
func backendServeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "serve NAME",
		Short:   "Be a built-in backend, for the pascaline that started this",
		Example: "  pascaline backend serve lattigo",
		Hidden:  true,
		Args:    commandline.OneArgument("the name of a built-in backend"),
		RunE: func(_ *cobra.Command, args []string) error {
			b, ok := builtInBackends[args[0]]
			if !ok {
				return fmt.Errorf("there is no built-in backend %q; there are %s", args[0], strings.Join(slices.Sorted(maps.Keys(builtInBackends)), ", "))
			}
			frugal()
			sdk.Serve(b)
			return nil
		},
	}
}

// foundReport is the JSON form of one line of backend list.
type foundReport struct {
	Name     string            `json:"name"`
	Version  string            `json:"version"`
	Trust    string            `json:"trust"`
	Kinds    []string          `json:"kinds"`
	Settings map[string]string `json:"settings,omitempty"`
	Path     string            `json:"path"`
	SHA256   string            `json:"sha256"`
	BuiltIn  bool              `json:"built_in"`
	Error    string            `json:"error,omitempty"`
}

func backendListCommand() *cobra.Command {
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the backends there are, and whom they trust",
		Args:  commandline.NoArguments("plugins are found in --plugins"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := directory(dir).List(cmd.Context(), plugins.Options{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				return err
			}
			reports := make([]foundReport, len(found))
			for i, f := range found {
				d := f.Description
				reports[i] = foundReport{Name: f.Name, Version: d.Version, Trust: d.Trust, Settings: d.Settings, Path: f.Path, SHA256: f.SHA256, BuiltIn: f.Builtin}
				for _, k := range d.Kinds {
					reports[i].Kinds = append(reports[i].Kinds, k.String())
				}
				if f.Err != nil {
					reports[i].Error = f.Err.Error()
				}
			}
			if asJSON {
				return printJSON(reports)
			}
			for _, r := range reports {
				r.print()
			}
			if dir == "" {
				fmt.Println("others are found by name in --plugins DIR, or named by their path")
			} else {
				fmt.Printf("others are found by name in %s, or named by their path\n", dir)
			}
			return nil
		},
	}
	addPluginsFlag(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	return cmd
}

func (r *foundReport) print() {
	where := r.Path
	if r.BuiltIn {
		where = "built in"
	}
	fmt.Printf("%s %s (%s)\n", r.Name, r.Version, where)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer fmt.Println()
	defer w.Flush()
	if r.Error != "" {
		fmt.Fprintf(w, "  cannot be used\t%s\n", r.Error)
		return
	}
	fmt.Fprintf(w, "  trusts\t%s\n  makes\t%s\n", r.Trust, strings.Join(r.Kinds, ", "))
	for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
		fmt.Fprintf(w, "  setting %s\t%s\n", name, r.Settings[name])
	}
	if !r.BuiltIn {
		fmt.Fprintf(w, "  sha256\t%s\n", r.SHA256)
	}
}

// trialFlags are those of commands that try a backend, both parties on this
// machine.
type trialFlags struct {
	backendFlags
	kinds   []string
	timeout time.Duration
	asJSON  bool
}

func (f *trialFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	addPluginsFlag(cmd, &f.directory)
	flags.StringVar(&f.sha256, "backend-sha256", "", "run the plugin only if its file has this SHA-256")
	flags.StringToStringVar(&f.settings, "backend-set", nil, "a setting of the plugin's, NAME=VALUE; pascaline backend list shows which it has")
	flags.StringSliceVar(&f.kinds, "kind", nil, "kinds to try; all that the backend makes, if none is named")
	flags.DurationVar(&f.timeout, "timeout", 0, "how long one call may take (0: a minute to check, ten to measure)")
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
}

// trial is a backend on trial: one process for each party, and what both are told.
type trial struct {
	parties  [2]*plugins.Plugin
	settings [2]map[string]string
	kinds    []correlation.Kind
	closers  []func()
}

func (t *trial) Close() {
	for _, c := range slices.Backward(t.closers) {
		c()
	}
}

// start starts a backend for both parties. The dealer's gets a dealer of its own,
// and keys.
func (f *trialFlags) start(ctx context.Context, name string) (*trial, error) {
	t := &trial{}
	if err := f.fill(ctx, t, name); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (f *trialFlags) fill(ctx context.Context, t *trial, name string) (err error) {
	for _, k := range f.kinds {
		kind, err := correlation.ParseKind(k)
		if err != nil {
			return fmt.Errorf("--kind: %w", err)
		}
		t.kinds = append(t.kinds, kind)
	}
	for party := range t.parties {
		if t.parties[party], err = f.find(name, plugins.Options{Log: terminalLog()}); err != nil {
			return err
		}
		t.closers = append(t.closers, func() { t.parties[party].Close() })
		t.settings[party] = f.settings
	}
	if name == dealerName {
		if err := t.deal(); err != nil {
			return fmt.Errorf("starting a dealer to try its backend with: %w", err)
		}
	}
	// What is no backend at all is no matter for a check.
	_, err = t.parties[0].Describe(ctx)
	return err
}

// deal starts a dealer in this process and makes keys for the parties.
func (t *trial) deal() error {
	dir, err := os.MkdirTemp("", "pascaline-backend-")
	if err != nil {
		return err
	}
	t.closers = append(t.closers, func() { os.RemoveAll(dir) })
	var keys [2]link.PublicKey
	paths := [2]string{filepath.Join(dir, "party0.key"), filepath.Join(dir, "party1.key")}
	for party, path := range paths {
		if keys[party], err = generateKey(path); err != nil {
			return err
		}
	}
	id, err := link.GenerateIdentity()
	if err != nil {
		return err
	}
	server, err := link.NewServer(id, link.Allow(keys[:]...), dealer.NewServer(slog.New(slog.DiscardHandler)).Handle, link.Options{})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go server.Serve(l)
	t.closers = append(t.closers, server.Stop)
	for party := range t.settings {
		t.settings[party] = map[string]string{
			"dealer": l.Addr().String(), "dealer-key": id.Public().String(), "key": paths[party], "peer": keys[1-party].String(),
		}
	}
	return nil
}

func backendCheckCommand() *cobra.Command {
	var f trialFlags
	var thorough bool
	cmd := &cobra.Command{
		Use:   "check NAME|PATH",
		Short: "Check a backend: its algebra, its privacy as far as statistics see it, its failures",
		Long: `Check runs both parties of a backend against each other and checks, for every kind
that it makes, the algebra, the sizes, that halves are uniform, fresh and independent
of each other, that bad requests and the death of the other side are errors in time,
and that it works again afterwards. It fails if anything does. To pass is no proof of
privacy.`,
		Example: "  pascaline backend check lattigo\n  pascaline backend check ./my-backend",
		Args:    commandline.OneArgument("a backend's name or path"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := f.start(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer t.Close()
			o := conformance.Options{Kinds: t.kinds, Thorough: thorough, Timeout: f.timeout, Settings: t.settings}
			r := conformance.Check(cmd.Context(), t.parties[0], t.parties[1], o)
			if f.asJSON {
				if err := printJSON(r); err != nil {
					return err
				}
			} else {
				io.WriteString(os.Stdout, r.String())
			}
			if err := r.Err(); err != nil {
				return fmt.Errorf("backend %s fails the check: %w", args[0], err)
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&thorough, "thorough", false, "check several times as much")
	return cmd
}

func backendBenchCommand() *cobra.Command {
	var f trialFlags
	var elements int
	cmd := &cobra.Command{
		Use:     "bench NAME|PATH",
		Short:   "Measure a backend, both parties on this machine",
		Example: "  pascaline backend bench lattigo --kind triples,powers",
		Args:    commandline.OneArgument("a backend's name or path"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if elements < 0 {
				return fmt.Errorf("--count is %d; it must be positive, or 0 for what takes a second or so", elements)
			}
			t, err := f.start(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer t.Close()
			rows, err := conformance.Bench(cmd.Context(), t.parties[0], t.parties[1], conformance.BenchOptions{
				Kinds: t.kinds, Elements: elements, Timeout: f.timeout, Settings: t.settings,
			})
			if err != nil {
				return err
			}
			if f.asJSON {
				return printJSON(rows)
			}
			_, err = io.WriteString(os.Stdout, conformance.Table(rows))
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&elements, "count", 0, "how many of each kind (0: what takes a second or so)")
	return cmd
}
