package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"text/tabwriter"

	"pascaline/dataset"
	"pascaline/model"
)

// sharedParties are those of the demo of a shared model.
var sharedParties = []string{"server-0", "server-1", "owner", "client"}

// runShared shows a model that is shared between two servers.
func (d *demo) runShared(ctx context.Context, f *demoFlags, images []string, inputs []dataset.Image) (err error) {
	if d.backend, err = d.chooseBackend(ctx, &f.backend, "server-0", "server-1"); err != nil {
		return err
	}
	fmt.Printf("owner    has the model %q: %s\n", d.model.Plan.Name, describe(d.model.Plan))
	fmt.Printf("client   has %s and the plan: shapes and scales, no weights\n", count(len(inputs), "picture"))
	fmt.Println("servers  are two, and have nothing; they must not put together what they get")
	if d.dealer != nil {
		fmt.Println("dealer   has nothing, and is trusted to collude with nobody")
	}
	servers, err := d.serveShared(ctx)
	if err != nil {
		return err
	}
	inferences := max(len(inputs), demoBundles)
	fmt.Printf("\noffline  dealing the weights and making correlations for %s by %s, two servers, TLS between all\n",
		count(inferences, "inference"), f.backend.means())
	var preparation preparationReport
	args := append([]string{"shared", "deal", "--key", d.path("owner.key"), "--inferences", strconv.Itoa(inferences), d.path("model.pasc")}, servers...)
	if err := d.run(ctx, "owner", &preparation, "shared deal", args...); err != nil {
		return err
	}
	fmt.Printf("         done in %.1f s\n\n", preparation.Seconds)
	var inference sharedReport
	args = append([]string{"shared", "infer", "--key", d.path("client.key"), "--plan", d.path("model.plan")}, servers...)
	if err := d.run(ctx, "client", &inference, "shared infer", append(args, f.pictures(images)...)...); err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	agree, err := d.compare(inputs, inference.Results)
	if err != nil {
		return err
	}
	d.printSharedTable(&preparation, &inference)
	printSharedKnowledge(d.model.Plan)
	d.printTrust()
	return verdict(agree, inputs)
}

// serveShared starts the two servers and returns the flags that name them. The
// network is emulated between them.
func (d *demo) serveShared(ctx context.Context) (flags []string, err error) {
	var peer []string
	for i, other := range []string{"server-1", "server-0"} {
		name := sharedParties[i]
		args := append([]string{"shared", "serve", "--key", d.path(name + ".key"), "--peer-key", d.path(other + ".key.pub"),
			"--owner", d.path("owner.key.pub"), "--allow", d.path("client.key.pub"), "--store", d.path(name + "-store")}, d.backend...)
		s, err := d.start(ctx, name, append(args, peer...)...)
		if err != nil {
			return nil, err
		}
		peer = []string{"--peer", s.address, "--network", d.network}
		flags = append(flags, "--server", s.address, "--server-key", d.path(name+".key.pub"))
	}
	return flags, nil
}

func (d *demo) printSharedTable(p *preparationReport, r *sharedReport) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "\nfor each inference\t(two servers, %s between them)\n", d.network)
	fmt.Fprintf(w, "offline\ttime\t%.3f s\n", p.Seconds/float64(p.Inferences))
	fmt.Fprintf(w, "\tCPU\t%.0f ms\tserver 0 %.0f, server 1 %.0f\n", p.CPU[0]+p.CPU[1], p.CPU[0], p.CPU[1])
	fmt.Fprintf(w, "\tserver 0 → 1\t%.2f MB\n", p.SentMB[0])
	fmt.Fprintf(w, "\tserver 1 → 0\t%.2f MB\n", p.SentMB[1])
	fmt.Fprintf(w, "online\tlatency\t%.2f ms\tmedian of %d\n", r.LatencyMS, len(r.Results))
	fmt.Fprintf(w, "\trounds\t%d\tbetween the servers\n", r.Rounds)
	fmt.Fprintf(w, "\tserver 0 ↔ 1\t%.1f kB\n", float64(r.Exchanged)/1e3)
	for i := range r.Sent {
		fmt.Fprintf(w, "\tclient ↔ server %d\t%.1f kB\t%.1f sent, %.1f received\n", i,
			float64(r.Sent[i]+r.Received[i])/1e3, float64(r.Sent[i])/1e3, float64(r.Received[i])/1e3)
	}
	fmt.Fprintf(w, "\nonce\towner → servers\t%.2f MB\ta share of the weights each\n", p.OwnerMB[0]+p.OwnerMB[1])
	if m := d.usage["server-0"].memory; m > 0 {
		fmt.Fprintf(w, "\npeak memory\tserver 0\t%d MB\n", m>>20)
		fmt.Fprintf(w, "\tserver 1\t%d MB\n", d.usage["server-1"].memory>>20)
	}
	w.Flush()
}

// printSharedKnowledge says what each learned.
func printSharedKnowledge(p *model.Plan) {
	fmt.Printf(`
the client learned   the %d outputs for each picture, and the plan (architecture and scales)
           not       any of the %d weights and biases, nor any value in between
each server learned  the plan, that so many inferences were made, when, and for which client
           not       the weights, the pictures, the values in between, or the results
the owner learned    that the servers are ready
`, p.Nodes[len(p.Nodes)-1].Shape.Len(), weights(p))
}
