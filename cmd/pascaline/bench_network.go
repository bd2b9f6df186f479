package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pascaline/bench"
	"pascaline/internal/commandline"
	"pascaline/internal/figure"
	"pascaline/link"
	"pascaline/model/zoo"
	"pascaline/plugins"
)

// defaultBundles is how many bundles an offline run makes: a group as good as a
// large one.
const defaultBundles = 8

// mostRepeats is more than anybody waits for.
const mostRepeats = 10_000

// noBackend is what --backend says where nothing offline is to be measured.
const noBackend = "none"

// plotDelays are those at which a plot has points, one way.
var plotDelays = []time.Duration{0, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond}

type benchNetworkFlags struct {
	batch, repeat, bundles, degree int
	networks, backends             []string
	plugins, compare, plot         string
	asJSON                         bool

	settings []link.Network // that networks names
	old      *bench.Report  // that compare names
}

func benchNetworkCommand() *cobra.Command {
	var f benchNetworkFlags
	cmd := &cobra.Command{
		Use:   "network NAME|FILE.pasc|all",
		Short: "Measure private inference of a network, offline and online",
		Long: `Network measures inferences of a network of the zoo (pascaline model zoo lists
them), of a compiled model, or of all networks of the zoo: server and client as
processes of their own on this machine, TLS between them, over emulated networks.
Outputs are held against the evaluation in the clear meanwhile.

Online, LATENCY is the median of a batch's, from inputs to outputs, P95 what a
twentieth exceeds, and FLOOR what its rounds, bytes and multiplications take one
after the other: round trips, the larger direction's bytes over the bandwidth, and
the multiplications of direct convolutions at the measured peak of all cores. RATIO
is LATENCY over FLOOR. Large layers travel in bands, side by side with round trips,
and can be faster. ROUNDS are a batch's. MB UP is what the client sends, MB DOWN what
it receives, CPU what client and server compute, all for one inference. PEAK is the
most memory of either process. AGREE counts outputs that name the same class as in
the clear, also those of a first batch that is not timed, and TIES those that name
another one within a fiftieth of the range.

Offline are the costs of making one inference's bundle, over loopback, by each
backend; STORE is what it takes on disk. The bundles that are spent online come from
a dealer on this machine.`,
		Example: "  pascaline bench network resnet18\n  pascaline bench network resnet18 --network lan --plot resnet18.png\n  pascaline bench network all --json > report.json",
		Args:    commandline.OneArgument("a network of pascaline model zoo, a .pasc file, or all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args[0])
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.batch, "batch", 1, "how many inferences share their rounds")
	flags.IntVar(&f.repeat, "repeat", 5, "how many batches are timed over each network")
	flags.IntVar(&f.bundles, "bundles", 0, fmt.Sprintf("how many bundles each backend makes (0: %d, or 1 of a large network)", defaultBundles))
	flags.IntVar(&f.degree, "degree", 0, fmt.Sprintf("degree of the activations of the zoo's networks (0: as named, or %d)", zoo.DefaultDegree))
	flags.StringArrayVar(&f.networks, "network", []string{"loopback", "lan", "wan", "50ms"}, "a network to emulate: loopback, "+networkUsage+"; repeat for more")
	flags.StringSliceVar(&f.backends, "backend", []string{"lattigo", "dealer"}, "what makes bundles while that is measured; none: nothing")
	addPluginsFlag(cmd, &f.plugins)
	flags.StringVar(&f.compare, "compare", "", "file that an earlier run wrote with --json, to hold the figures against")
	flags.StringVar(&f.plot, "plot", "", "of one network, also measure latency against round trips, and draw it to this PNG file")
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	return cmd
}

// check finds what can be refused before anything is measured.
func (f *benchNetworkFlags) check(name string) (subjects []string, err error) {
	switch {
	case f.batch < 1:
		return nil, fmt.Errorf("--batch is %d; it must be at least 1", f.batch)
	case f.repeat < 1 || f.repeat > mostRepeats:
		return nil, fmt.Errorf("--repeat is %d; it must be from 1 to %d", f.repeat, mostRepeats)
	case f.bundles < 0:
		return nil, fmt.Errorf("--bundles is %d; it must be positive, or 0 to choose", f.bundles)
	case f.plot != "" && name == "all":
		return nil, errors.New("--plot draws one network: name it instead of all")
	}
	if f.plot != "" {
		if err := figure.CheckPath(f.plot); err != nil {
			return nil, fmt.Errorf("--plot %s: %w", f.plot, err)
		}
	}
	if err := f.checkBackends(); err != nil {
		return nil, err
	}
	if f.settings, err = parseNetworks(f.networks); err != nil {
		return nil, err
	}
	if f.compare != "" {
		if f.old, err = bench.ReadReport(f.compare); err != nil {
			return nil, fmt.Errorf("--compare: %w", err)
		}
	}
	return f.subjects(name)
}

// checkBackends finds the backends that there are not.
func (f *benchNetworkFlags) checkBackends() error {
	if slices.Contains(f.backends, noBackend) {
		if len(f.backends) > 1 {
			return fmt.Errorf("--backend %s goes alone", noBackend)
		}
		f.backends = nil
	}
	for _, name := range f.backends {
		if _, err := directory(f.plugins).Find(name, plugins.Options{}); err != nil {
			return fmt.Errorf("--backend: %w", err)
		}
	}
	return nil
}

// subjects returns the networks that a name on the command line stands for.
func (f *benchNetworkFlags) subjects(name string) (subjects []string, err error) {
	if name == "all" {
		subjects = zoo.Names()
	} else {
		subjects = []string{name}
	}
	for i, name := range subjects {
		if f.degree != 0 {
			if !zoo.Has(name) || strings.Contains(name, "/") {
				return nil, fmt.Errorf("--degree is of a network of pascaline model zoo whose name has none, and %s is not", name)
			}
			subjects[i] = fmt.Sprintf("%s/%d", name, f.degree)
		}
		if zoo.Has(name) {
			if _, err := zoo.Parse(subjects[i]); err != nil {
				return nil, err
			}
		} else if name != builtIn {
			if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("no network %q and no such file; there are %s, %s, and all for the paper's", name, builtIn, strings.Join(zoo.Trainable(), ", "))
			}
		}
	}
	return subjects, nil
}

// parseNetworks reads the values of --network.
func parseNetworks(names []string) (list []link.Network, err error) {
	for _, name := range names {
		n, err := parseNetwork(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(list, n) {
			return nil, fmt.Errorf("--network %s is named twice", name)
		}
		list = append(list, n)
	}
	return list, nil
}

func (f *benchNetworkFlags) run(ctx context.Context, name string) error {
	subjects, err := f.check(name)
	if err != nil {
		return err
	}
	if f.plot != "" {
		for _, d := range plotDelays {
			if n := (link.Network{Delay: d}); !slices.Contains(f.settings, n) {
				f.settings = append(f.settings, n)
			}
		}
	}
	report := &bench.Report{Date: time.Now().UTC().Truncate(time.Second), Machine: bench.ThisMachine()}
	progress, finish := benchProgress()
	defer finish()
	b := networkBench{benchNetworkFlags: f, machine: report.Machine, progress: progress}
	var failed error
	for _, s := range subjects {
		n, err := b.measure(ctx, s)
		if err != nil {
			failed = err
			break
		}
		report.Networks = append(report.Networks, n)
	}
	finish()
	if len(report.Networks) == 0 {
		return failed
	}
	// What is measured is shown even if the rest failed.
	if f.asJSON {
		failed = errors.Join(failed, printJSON(report))
	} else {
		failed = errors.Join(failed, printReport(report))
	}
	if f.old != nil {
		printChanges(f.old, bench.Compare(f.old, report), f.asJSON)
	}
	if f.plot != "" && failed == nil {
		failed = bench.PlotLatency(f.plot, report.Networks[0])
	}
	return errors.Join(failed, disagreements(report))
}

// disagreements is an error where private outputs are not those in the clear.
func disagreements(r *bench.Report) (err error) {
	for _, n := range r.Networks {
		for _, o := range n.Online {
			if c := o.Check; !c.Sound() {
				err = errors.Join(err, fmt.Errorf("%s over %s: %w: %d of %d name the same class, %d tie, and a logit is off by %.3g, where they range over %.3g",
					n.Name, o.Setting, errDisagree, c.Agree, c.Of, c.Ties, c.Difference, c.Range))
			}
		}
	}
	return err
}

// benchProgress shows what is being done: on a terminal in one line, elsewhere in a
// line now and then.
func benchProgress() (progress func(format string, args ...any), finish func()) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		last := time.Now()
		return func(format string, args ...any) {
			if time.Since(last) >= progressPeriod {
				last = time.Now()
				fmt.Fprintf(os.Stderr, format+"\n", args...)
			}
		}, func() {}
	}
	return func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
	}, func() { fmt.Fprint(os.Stderr, "\r\033[K") }
}
