package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pascaline/internal/commandline"
	"pascaline/internal/cpu"
	"pascaline/party"
)

// productionReport is the JSON form of a production run, per bundle made.
type productionReport struct {
	Made        int     `json:"made"`
	Ready       int     `json:"ready"`
	Seconds     float64 `json:"seconds"`
	ClientCPU   float64 `json:"client_cpu_ms_per_bundle"`
	ServerCPU   float64 `json:"server_cpu_ms_per_bundle"`
	SentMB      float64 `json:"sent_mb_per_bundle"`
	ReceivedMB  float64 `json:"received_mb_per_bundle"`
	WallSeconds float64 `json:"seconds_per_bundle"`
}

func newProductionReport(p party.Production) productionReport {
	r := productionReport{Made: p.Made, Ready: p.Ready, Seconds: p.Took.Seconds()}
	if n := float64(p.Made); n > 0 {
		r.ClientCPU = 1e3 * p.ClientCPU / n
		r.ServerCPU = 1e3 * p.ServerCPU / n
		r.SentMB = float64(p.Traffic.SentBytes) / 1e6 / n
		r.ReceivedMB = float64(p.Traffic.ReceivedBytes) / 1e6 / n
		r.WallSeconds = r.Seconds / n
	}
	return r
}

type produceFlags struct {
	client  clientFlags
	backend backendFlags
	bundles int
	kind    string
	count   int
	asJSON  bool
}

func produceCommand() *cobra.Command {
	var f produceFlags
	cmd := &cobra.Command{
		Use:   "produce --bundles N",
		Short: "Make correlated randomness with the server until both stores hold so much",
		Long: `Produce makes bundles with the server until N of them are ready in both stores.
Each inference spends one. With --kind it makes correlations of another kind, until
--count of them are ready: for sessions of shared values, or for other programs.
A run that is interrupted loses the group it was making and nothing else: run it
again.

It gives way to whatever else wants the processors, here and at the server; with
PASCALINE_PRODUCTION=normal in the environment of either it does not there.

--backend says what makes them: homomorphic encryption (lattigo), a trusted dealer
(dealer), or a program of your own. The server must use the same.`,
		Example: `  pascaline produce --key client.key --server-key server.key.pub --bundles 64
  pascaline produce --key client.key --server-key server.key.pub --kind triples --count 1000000`,
		Args: commandline.NoArguments("how many bundles, --bundles says"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			frugal()
			if inBackground() {
				// Where the system does not know how, it goes as it goes.
				_ = cpu.Background(os.Getpid())
			}
			switch {
			case f.kind == "" && cmd.Flags().Changed("count"):
				return errors.New("--count goes with --kind; how many bundles, --bundles says")
			case f.kind != "" && cmd.Flags().Changed("bundles"):
				return errors.New("--bundles and --kind are two different things to produce; run one after the other")
			case f.kind != "":
				return f.producePool(cmd.Context())
			}
			return f.produceBundles(cmd.Context())
		},
	}
	f.client.add(cmd)
	f.backend.add(cmd)
	cmd.Flags().IntVar(&f.bundles, "bundles", 64, "how many bundles to have ready in the end")
	cmd.Flags().StringVar(&f.kind, "kind", "", "make correlations of this kind instead: "+kindUsage)
	cmd.Flags().IntVar(&f.count, "count", 1_000_000, "with --kind, how many to have ready in the end")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	return cmd
}

func (f *produceFlags) produceBundles(ctx context.Context) error {
	if f.bundles < 1 {
		return fmt.Errorf("--bundles is %d; ask for at least 1", f.bundles)
	}
	backend, closeBackend, err := f.backend.one(ctx, f.client.key, terminalLog())
	if err != nil {
		return err
	}
	defer closeBackend()
	c, err := f.client.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	progress, finish := productionProgress(c.met.Ready, f.bundles, "bundle")
	p, err := c.Produce(ctx, f.bundles, backend, progress)
	finish()
	if err != nil {
		if p.Made == 0 && ctx.Err() == nil {
			return err
		}
		ready, _ := c.Ready() // the error that counts is the first
		return &commandline.Partial{Err: err, Done: fmt.Sprintf("%d of %s are ready in the store; run it again to go on", ready, count(f.bundles, "bundle"))}
	}
	r := newProductionReport(p)
	if f.asJSON {
		return printJSON(r)
	}
	printProduction(r)
	return nil
}

func (f *produceFlags) producePool(ctx context.Context) error {
	spec, err := parsePool(f.kind, f.count)
	if err != nil {
		return err
	}
	backend, closeBackend, err := f.backend.one(ctx, f.client.key, terminalLog())
	if err != nil {
		return err
	}
	defer closeBackend()
	c, err := f.client.connectPools(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	ready, err := c.PoolReady(spec)
	if err != nil {
		return err
	}
	progress, finish := productionProgress(ready, spec.N, "element")
	p, err := c.ProducePool(ctx, spec, backend, progress)
	finish()
	if err != nil {
		if p.Made == 0 && ctx.Err() == nil {
			return err
		}
		ready, _ := c.PoolReady(spec) // the error that counts is the first
		return &commandline.Partial{Err: err, Done: fmt.Sprintf("%d of %d are ready in the store; run it again to go on", ready, spec.N)}
	}
	r := newPoolReport(spec, p)
	if f.asJSON {
		return printJSON(r)
	}
	r.print()
	return nil
}

// productionProgress shows how much is ready in the stores.
func productionProgress(ready, target int, noun string) (progress func(float64), finish func()) {
	return workProgress(ready, target, noun, "ready")
}

// workProgress shows a bar on a terminal, and a line now and then elsewhere, which
// says how many are done, a participle. The bar counts thousandths of a bundle or an
// element, because many are made at once.
func workProgress(ready, target int, noun, done string) (progress func(float64), finish func()) {
	if ready >= target {
		return nil, func() {}
	}
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return progressLines(os.Stderr, target, noun, done, time.Now), func() {}
	}
	began := time.Now()
	bar := progressbar.NewOptions64(int64(1000*(target-ready)),
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionClearOnFinish(),
	)
	return func(now float64) {
		made := now - float64(ready)
		rate := made / time.Since(began).Seconds()
		bar.Describe(fmt.Sprintf("%d of %s %s, %.1f/s", int(now), count(target, noun), done, rate))
		bar.Set64(int64(1000 * made))
	}, func() { bar.Finish() }
}

// progressPeriod is how often production that nobody watches writes to its log.
const progressPeriod = 30 * time.Second

// progressLines writes a line when a period has passed since the last one.
func progressLines(w io.Writer, target int, noun, done string, now func() time.Time) func(float64) {
	last := now()
	return func(ready float64) {
		if t := now(); t.Sub(last) >= progressPeriod {
			last = t
			fmt.Fprintf(w, "%d of %s %s\n", int(ready), count(target, noun), done)
		}
	}
}

func printProduction(r productionReport) {
	if r.Made == 0 {
		fmt.Printf("%s ready already; nothing to do\n", count(r.Ready, "bundle"))
		return
	}
	fmt.Printf("%s ready; %d made in %.1f s (%.1f per second)\n", count(r.Ready, "bundle"), r.Made, r.Seconds, float64(r.Made)/r.Seconds)
	fmt.Printf("each took %.0f ms of CPU (client %.0f, server %.0f) and %.2f MB (%.2f sent, %.2f received)\n",
		r.ClientCPU+r.ServerCPU, r.ClientCPU, r.ServerCPU, r.SentMB+r.ReceivedMB, r.SentMB, r.ReceivedMB)
}
