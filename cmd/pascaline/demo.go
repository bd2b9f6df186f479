package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/internal/digits"
	"pascaline/internal/mnist"
	"pascaline/model"
)

type demoFlags struct {
	mode    string
	backend backendFlags
	images  []string
	invert  bool
	network string
}

// demoBundles is how many bundles the demo makes at least, so that its figures
// are those of a group.
const demoBundles = 8

// What the demo shows.
const (
	clientServer = "client-server"
	sharedModel  = "shared-model"
)

func demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a whole private inference on this machine: two processes, from keys to results",
		Long: `Demo makes two identities, starts a server process with the built-in model and a
client process with sample images, lets them make correlated randomness by
homomorphic encryption, or by what --backend names, classifies the images
privately, and holds every result against the evaluation in the clear. It exits
with an error if any disagree. With --backend dealer it starts a dealer as well,
unless --dealer says where one is.

With --mode shared-model it starts two servers and plays an owner, who deals its
model to them, and a client: neither server knows the weights or the pictures.`,
		Example: "  pascaline demo\n  pascaline demo --network wan\n  pascaline demo --image my.png\n  pascaline demo --backend dealer\n  pascaline demo --mode shared-model",
		Args:    commandline.NoArguments("your own pictures go with --image, one each"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilUnread(cmd.Context())
			defer stop()
			return f.run(ctx)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.mode, "mode", clientServer, "client-server: the server knows the model; shared-model: two servers that know nothing")
	flags.StringArrayVar(&f.images, "image", nil, "your own picture (PNG or JPEG) instead of the samples; repeat for more")
	flags.BoolVar(&f.invert, "invert", false, "exchange black and white, for dark ink on light paper")
	addNetworkFlag(cmd, &f.network)
	f.backend.add(cmd)
	return cmd
}

// demo is a running demonstration.
type demo struct {
	*stage
	model *model.Model
}

func (f *demoFlags) run(ctx context.Context) (err error) {
	if f.mode != clientServer && f.mode != sharedModel {
		return fmt.Errorf("--mode is %q; there are %s and %s", f.mode, clientServer, sharedModel)
	}
	network, err := parseNetwork(f.network)
	if err != nil {
		return err
	}
	m, err := readModel(builtIn)
	if err != nil {
		return err
	}
	st, err := newStage("demo")
	if err != nil {
		return err
	}
	defer st.clear()
	st.network = network.String()
	d := &demo{stage: st, model: m}
	images, err := d.prepare(f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	inputs, err := d.readImages(images, f.invert)
	if err != nil {
		return err
	}
	if f.mode == sharedModel {
		return d.runShared(ctx, f, images, inputs)
	}
	if d.backend, err = d.chooseBackend(ctx, &f.backend, "server", "client"); err != nil {
		return err
	}
	fmt.Printf("server  has the model %q: %s;\n", builtIn, describe(m.Plan))
	fmt.Printf("        of MNIST's 10,000 test images it has %.2f %% right\n", 100*mnist.Accuracy)
	fmt.Printf("client  has %s and the plan: shapes and scales, no weights\n", count(len(inputs), "picture"))
	if d.dealer != nil {
		fmt.Println("dealer  has nothing, and is trusted to collude with neither")
	}
	if err := d.serve(ctx); err != nil {
		return err
	}

	bundles := max(len(inputs), demoBundles)
	fmt.Printf("\noffline  making %s by %s, two processes, TLS between them\n", count(bundles, "bundle"), f.backend.means())
	var production productionReport
	if err := d.client(ctx, &production, "produce", append(d.backend, "--bundles", strconv.Itoa(bundles))...); err != nil {
		return err
	}
	fmt.Printf("         done in %.1f s\n\n", production.Seconds)
	var inference inferenceReport
	if err := d.client(ctx, &inference, "infer", f.pictures(images)...); err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	return d.report(inputs, &production, &inference)
}

// pictures returns the arguments of a command that infers.
func (f *demoFlags) pictures(images []string) (args []string) {
	if f.invert {
		args = append(args, "--invert")
	}
	if len(f.images) > 0 {
		args = append(args, "--fit")
	}
	return append(args, images...)
}

// prepare makes what the processes need: keys, the plan for the client, and the
// pictures. It returns the pictures' paths.
func (d *demo) prepare(f *demoFlags) ([]string, error) {
	parties := []string{"server", "client"}
	if f.mode == sharedModel {
		parties = sharedParties
	}
	if err := d.keys(parties...); err != nil {
		return nil, err
	}
	if err := d.put(d.model); err != nil {
		return nil, err
	}
	if len(f.images) > 0 {
		return f.images, nil
	}
	all, err := digits.WritePNGs(d.path("pictures"))
	if err != nil {
		return nil, err
	}
	// One hand after the other, so that eight or ten pictures are of as many
	// digits.
	var chosen []string
	for digit := range 10 {
		chosen = append(chosen, all[digit*digits.Variants+digit%digits.Variants])
	}
	return chosen, nil
}
