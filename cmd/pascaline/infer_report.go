package main

import (
	"fmt"
	"math"
	"os"
	"slices"

	"pascaline/dataset"
	"pascaline/model"
	"pascaline/party"
)

// result is what came out for one image.
type result struct {
	Name  string `json:"name"`
	Class int    `json:"class"`
	Label *int   `json:"label,omitempty"`
	// ClassName and LabelName are what the model calls Class and Label, where
	// it was compiled with names.
	ClassName string    `json:"class_name,omitempty"`
	LabelName string    `json:"label_name,omitempty"`
	Logits    []float64 `json:"logits"`
	// Clear is the class of the fixed-point evaluation in the clear, and
	// Difference the largest of the differences of its logits (--compare).
	Clear      *int     `json:"clear_class,omitempty"`
	Difference *float64 `json:"logit_difference,omitempty"`
	// Hint says what may be wrong with the picture.
	Hint string `json:"hint,omitempty"`
}

// inferenceReport is the JSON form of a run of infer.
type inferenceReport struct {
	Results       []result `json:"results"`
	Asked         int      `json:"asked"` // images; fewer results mean that the run was cut short
	Batch         int      `json:"batch"`
	LatencyMS     float64  `json:"latency_ms"` // median over the batches
	LatencyP95MS  float64  `json:"latency_p95_ms"`
	Rounds        int      `json:"rounds"`
	SentBytes     int64    `json:"sent_bytes"` // per inference
	ReceivedBytes int64    `json:"received_bytes"`
	Traffic       string   `json:"traffic"` // what the bytes are: onWire or payload
	Accuracy      *float64 `json:"accuracy,omitempty"`
	Agree         *int     `json:"agree_with_clear,omitempty"`
	MaxDifference *float64 `json:"max_logit_difference,omitempty"`
	Ready         int      `json:"bundles_left"`
}

// What the bytes of an inferenceReport are. Beside production, which shares the
// connection, only the messages of the inferences themselves can be told apart.
const (
	onWire  = "wire"
	payload = "payload"
)

// costs summarises the runs of the batches, n images in all.
func (r *inferenceReport) costs(runs []party.Inference, n int) {
	latencies := make([]float64, len(runs))
	for i, run := range runs {
		latencies[i] = run.Latency.Seconds() * 1e3
		r.Rounds = run.Rounds
		traffic := run.Traffic
		if r.Traffic == payload {
			traffic = run.Payload
		}
		r.SentBytes += traffic.SentBytes
		r.ReceivedBytes += traffic.ReceivedBytes
	}
	slices.Sort(latencies)
	r.LatencyMS = quantile(latencies, 0.5)
	r.LatencyP95MS = quantile(latencies, 0.95)
	r.SentBytes /= int64(n)
	r.ReceivedBytes /= int64(n)
}

// quantile of sorted values, by the nearest rank.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// results decodes the outputs, one for each image, and holds them against labels and, if clear is
// not nil, against the evaluation in the clear.
func (r *inferenceReport) results(images []dataset.Image, inputs, outputs [][]uint64, plan *model.Plan, clear *model.FixedEvaluator) error {
	right, labelled, agree, most := 0, 0, 0, 0.0
	for i, im := range images {
		logits := plan.DecodeOutput(outputs[i])
		res := result{Name: im.Name, Class: model.Class(logits), Logits: logits, Hint: pictureHint(im)}
		res.ClassName = labelName(plan, res.Class)
		if im.Label != dataset.NoLabel {
			res.Label, res.LabelName = &im.Label, labelName(plan, im.Label)
			labelled++
			if im.Label == res.Class {
				right++
			}
		}
		if clear != nil {
			y, err := clear.Eval(inputs[i])
			if err != nil {
				return fmt.Errorf("evaluating %s in the clear: %w", im.Name, err)
			}
			want := plan.DecodeOutput(y)
			class, difference := model.Class(want), 0.0
			for k := range want {
				difference = max(difference, math.Abs(want[k]-logits[k]))
			}
			if class == res.Class {
				agree++
			}
			most = max(most, difference)
			res.Clear, res.Difference = &class, &difference
		}
		r.Results = append(r.Results, res)
	}
	if labelled > 0 {
		accuracy := float64(right) / float64(labelled)
		r.Accuracy = &accuracy
	}
	if clear != nil {
		r.Agree, r.MaxDifference = &agree, &most
	}
	return nil
}

// pictureHint says what may be wrong with a picture, or nothing.
func pictureHint(im dataset.Image) string {
	switch {
	case im.Blank():
		return "the picture is blank: has it a transparent background? --invert puts white paper under it"
	case im.DarkOnLight():
		return "looks like dark ink on light paper: try --invert"
	}
	return ""
}

// listedImages is up to how many images printInferences gives a line each.
const listedImages = 40

func printInferences(r *inferenceReport, plan *model.Plan) {
	if len(r.Results) <= listedImages {
		for _, res := range r.Results {
			fmt.Printf("%-32s  %s", res.Name, className(plan, res.Class))
			if res.Label != nil {
				fmt.Printf("  (label %s)", className(plan, *res.Label))
			}
			if res.Clear != nil {
				fmt.Printf("  in the clear %s, logits within %.4f", className(plan, *res.Clear), *res.Difference)
			}
			if res.Hint != "" {
				fmt.Printf("  %s", res.Hint)
			}
			fmt.Println()
		}
	}
	fmt.Printf("%s, %d at a time: %.2f ms a batch (median; p95 %.2f), %s\n",
		count(len(r.Results), "image"), r.Batch, r.LatencyMS, r.LatencyP95MS, count(int(r.Rounds), "round"))
	what := ""
	if r.Traffic == payload {
		what = " of payload"
	}
	fmt.Printf("each sent %.1f kB and received %.1f kB%s; %s left\n",
		float64(r.SentBytes)/1e3, float64(r.ReceivedBytes)/1e3, what, count(r.Ready, "bundle"))
	if r.Accuracy != nil {
		fmt.Printf("accuracy %.2f %%\n", 100**r.Accuracy)
	}
	if r.Agree != nil {
		fmt.Printf("%d of %d agree with the evaluation in the clear; largest difference of a logit %.4f\n",
			*r.Agree, len(r.Results), *r.MaxDifference)
	}
	if r.Ready == 0 {
		fmt.Fprintln(os.Stderr, "the store is empty now: pascaline produce makes more")
	}
}
