package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"pascaline/dataset"
	"pascaline/model"
)

// errDisagree is the demo's failure: a private result that is not the one in
// the clear.
var errDisagree = errors.New("private and cleartext results disagree")

// agreement is the largest difference of a logit, private against cleartext, that the
// demo takes for agreement: a share of what lies between the picture's logits.
const agreement = 1. / 200

func (d *demo) readImages(paths []string, invert bool) ([]dataset.Image, error) {
	in := d.model.Plan.Nodes[0].Shape
	return dataset.Read(dataset.Options{H: in.H, W: in.W, C: in.C, Fit: true, Invert: invert}, paths...)
}

// describe says in a line what a plan computes.
func describe(p *model.Plan) string {
	linear, activations, elements := 0, 0, 0
	for _, n := range p.Nodes {
		switch n.Op {
		case model.OpLinear:
			linear++
		case model.OpPolynomial:
			activations++
			elements += n.Shape.Len()
		}
	}
	return fmt.Sprintf("%s, %s of %s in all", count(linear, "linear layer"), count(activations, "polynomial activation"), count(elements, "element"))
}

// report prints every picture with its results, then the table.
func (d *demo) report(images []dataset.Image, p *productionReport, r *inferenceReport) error {
	agree, err := d.compare(images, r.Results)
	if err != nil {
		return err
	}
	d.printTable(p, r)
	printKnowledge(d.model.Plan)
	d.printTrust()
	return verdict(agree, images)
}

// compare prints every picture with its results beside it and counts those that
// are as in the clear.
func (d *demo) compare(images []dataset.Image, results []result) (agree int, err error) {
	clear, err := model.NewFixedEvaluator(d.model)
	if err != nil {
		return 0, err
	}
	if len(results) != len(images) {
		return 0, fmt.Errorf("%s for %s", count(len(results), "result"), count(len(images), "picture"))
	}
	for i, im := range images {
		x, err := d.model.Plan.EncodeInput(im.Pixels)
		if err != nil {
			return 0, err
		}
		y, err := clear.Eval(x)
		if err != nil {
			return 0, err
		}
		if printResult(d.model.Plan, im, results[i], d.model.Plan.DecodeOutput(y)) {
			agree++
		}
	}
	return agree, nil
}

// verdict ends the demo.
func verdict(agree int, images []dataset.Image) error {
	if agree < len(images) {
		return fmt.Errorf("%w on %d of %s", errDisagree, len(images)-agree, count(len(images), "picture"))
	}
	fmt.Printf("\n%d of %d private results agree with the evaluation in the clear.\n", agree, len(images))
	return nil
}

// printResult prints a picture with its results beside it, and reports whether
// they agree.
func printResult(p *model.Plan, im dataset.Image, private result, clear []float64) bool {
	difference := 0.0
	for k := range clear {
		difference = max(difference, math.Abs(clear[k]-private.Logits[k]))
	}
	class := model.Class(clear)
	ok := class == private.Class && difference <= agreement*(slices.Max(clear)-slices.Min(clear))
	verdict := "agree"
	if !ok {
		verdict = "DISAGREE"
	}
	notes := []string{
		"",
		"private    " + logits(p, private.Class, private.Logits),
		"cleartext  " + logits(p, class, clear),
		fmt.Sprintf("%s (logits within %.4f)", verdict, difference),
	}
	if first, second, ok := strings.Cut(private.Hint, ": "); ok {
		notes = append(notes, "", first+":", second)
	}
	lines := strings.Split(strings.TrimRight(im.Text(dataset.HalfBlocks), "\n"), "\n")
	for len(notes) < len(lines) {
		notes = append([]string{""}, notes...)
		if len(notes) < len(lines) {
			notes = append(notes, "")
		}
	}
	for i, note := range notes {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		pad := max(0, 30-len([]rune(line)))
		fmt.Println(strings.TrimRight("  "+line+strings.Repeat(" ", pad)+note, " "))
	}
	return ok
}

// logits shows the winner and how far it is ahead of the second.
func logits(p *model.Plan, class int, v []float64) string {
	second := -1
	for k := range v {
		if k != class && (second < 0 || v[k] > v[second]) {
			second = k
		}
	}
	if second < 0 { // a single output
		return fmt.Sprintf("%s   (%.3f)", className(p, class), v[class])
	}
	return fmt.Sprintf("%s   (%.3f, then %s with %.3f)", className(p, class), v[class], className(p, second), v[second])
}

func (d *demo) printTable(p *productionReport, r *inferenceReport) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "\nfor each inference\t(two processes, %s)\n", d.network)
	fmt.Fprintf(w, "offline\ttime\t%.3f s\n", p.WallSeconds)
	fmt.Fprintf(w, "\tCPU\t%.0f ms\tclient %.0f, server %.0f\n", p.ClientCPU+p.ServerCPU, p.ClientCPU, p.ServerCPU)
	fmt.Fprintf(w, "\tclient → server\t%.2f MB\n", p.SentMB)
	fmt.Fprintf(w, "\tserver → client\t%.2f MB\n", p.ReceivedMB)
	fmt.Fprintf(w, "online\tlatency\t%.2f ms\tmedian of %d\n", r.LatencyMS, len(r.Results))
	fmt.Fprintf(w, "\trounds\t%d\n", r.Rounds)
	fmt.Fprintf(w, "\tclient → server\t%.1f kB\n", float64(r.SentBytes)/1e3)
	fmt.Fprintf(w, "\tserver → client\t%.1f kB\n", float64(r.ReceivedBytes)/1e3)
	if m := d.usage["serve"].memory; m > 0 {
		fmt.Fprintf(w, "\npeak memory\tserver\t%d MB\n", m>>20)
		fmt.Fprintf(w, "\tclient\t%d MB\twhile producing; %d MB while inferring\n", d.usage["produce"].memory>>20, d.usage["infer"].memory>>20)
	}
	w.Flush()
}

// printTrust says what all of that rests on where it is more than the two parties.
func (d *demo) printTrust() {
	if d.trust != "" {
		fmt.Printf("\nall of that if one can trust  %s\n", d.trust)
	}
}

// printKnowledge says what each party learned.
func printKnowledge(p *model.Plan) {
	output := p.Nodes[len(p.Nodes)-1].Shape.Len()
	fmt.Printf(`
the client learned  the %d outputs for each picture, and the plan (architecture and scales)
           not      any of the %d weights and biases, nor any value in between
the server learned  that so many inferences were made, and when
           not      the pictures, the values in between, or the results
`, output, weights(p))
}

// weights counts weights and biases.
func weights(p *model.Plan) (n int) {
	for _, node := range p.Nodes {
		if node.Op == model.OpLinear {
			n += node.Linear.WeightLen() + node.BiasLen()
		}
	}
	return n
}
