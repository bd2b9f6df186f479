package main

import (
	"fmt"
	"slices"

	"pascaline/dataset"
	"pascaline/model"
	"pascaline/party"
)

// sharedReport is the JSON form of a run of shared infer. Bytes are per inference.
type sharedReport struct {
	Results      []result `json:"results"`
	Asked        int      `json:"asked"` // images; fewer results mean that the run was cut short
	Batch        int      `json:"batch"`
	LatencyMS    float64  `json:"latency_ms"` // median over the batches
	LatencyP95MS float64  `json:"latency_p95_ms"`
	// Rounds is how often each server waited for the other, Exchanged what both
	// sent each other, without framing.
	Rounds    int   `json:"server_rounds"`
	Exchanged int64 `json:"server_bytes"`
	// Sent and Received are the client's with each server, in the order of
	// --server, on the wire.
	Sent          [2]int64 `json:"sent_bytes"`
	Received      [2]int64 `json:"received_bytes"`
	Accuracy      *float64 `json:"accuracy,omitempty"`
	Agree         *int     `json:"agree_with_clear,omitempty"`
	MaxDifference *float64 `json:"max_logit_difference,omitempty"`
}

// newSharedReport summarises the runs of the batches, n images in all.
func newSharedReport(runs []party.SharedInference, asked, batch, n int) *sharedReport {
	r := &sharedReport{Asked: asked, Batch: batch}
	var latencies []float64
	for _, run := range runs {
		latencies = append(latencies, run.Latency.Seconds()*1e3)
		r.Rounds = run.Rounds
		r.Exchanged += run.Exchanged
		for i, traffic := range run.Traffic {
			r.Sent[i] += traffic.SentBytes
			r.Received[i] += traffic.ReceivedBytes
		}
	}
	slices.Sort(latencies)
	r.LatencyMS, r.LatencyP95MS = quantile(latencies, 0.5), quantile(latencies, 0.95)
	r.Exchanged /= int64(n)
	for i := range r.Sent {
		r.Sent[i] /= int64(n)
		r.Received[i] /= int64(n)
	}
	return r
}

// results is inferenceReport's.
func (r *sharedReport) results(images []dataset.Image, inputs, outputs [][]uint64, plan *model.Plan, clear *model.FixedEvaluator) error {
	var common inferenceReport
	if err := common.results(images, inputs, outputs, plan, clear); err != nil {
		return err
	}
	r.Results, r.Accuracy, r.Agree, r.MaxDifference = common.Results, common.Accuracy, common.Agree, common.MaxDifference
	return nil
}

func (r *sharedReport) print(plan *model.Plan) {
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
	fmt.Printf("%s, %d at a time: %.2f ms a batch (median; p95 %.2f), %s between the servers\n",
		count(len(r.Results), "image"), r.Batch, r.LatencyMS, r.LatencyP95MS, count(r.Rounds, "round"))
	fmt.Printf("each took %.1f kB between the servers, and %.1f and %.1f kB with each of them\n",
		float64(r.Exchanged)/1e3, float64(r.Sent[0]+r.Received[0])/1e3, float64(r.Sent[1]+r.Received[1])/1e3)
	if r.Accuracy != nil {
		fmt.Printf("accuracy %.2f %%\n", 100**r.Accuracy)
	}
	if r.Agree != nil {
		fmt.Printf("%d of %d agree with the evaluation in the clear; largest difference of a logit %.4f\n",
			*r.Agree, len(r.Results), *r.MaxDifference)
	}
}
