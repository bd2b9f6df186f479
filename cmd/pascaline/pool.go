package main

import (
	"fmt"

	"pascaline/correlation"
	"pascaline/party"
)

// kindUsage says how pools are named on the command line.
const kindUsage = "triples, squares, products, powers/DEGREE/MASKBITS, matrix/MxKxN, convolution/HxWxC/KHxKWxK/sHxW/pTxLxBxR, the last two also with /fixed"

// parsePool reads the flags --kind and --count.
func parsePool(kind string, count int) (correlation.Spec, error) {
	if count < 1 || count > correlation.MaxElements {
		return correlation.Spec{}, fmt.Errorf("--count is %d; it must be from 1 to %d", count, correlation.MaxElements)
	}
	// The bounds of one half do not bound a pool: it is made batch by batch.
	spec, err := correlation.ParsePool(kind, 1)
	if err != nil {
		return spec, fmt.Errorf("--kind: %w", err)
	}
	spec.N = count
	return spec, nil
}

// poolReport is the JSON form of a production run of a pool.
type poolReport struct {
	Pool      string  `json:"pool"`
	Made      int     `json:"made"`
	Ready     int     `json:"ready"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	ClientCPU float64 `json:"client_cpu_us_per_element"`
	ServerCPU float64 `json:"server_cpu_us_per_element"`
	Sent      float64 `json:"sent_bytes_per_element"`
	Received  float64 `json:"received_bytes_per_element"`
}

func newPoolReport(spec correlation.Spec, p party.Production) poolReport {
	r := poolReport{Pool: spec.Pool(), Made: p.Made, Ready: p.Ready, Seconds: p.Took.Seconds()}
	if n := float64(p.Made); n > 0 {
		r.PerSecond = n / r.Seconds
		r.ClientCPU, r.ServerCPU = 1e6*p.ClientCPU/n, 1e6*p.ServerCPU/n
		r.Sent, r.Received = float64(p.Traffic.SentBytes)/n, float64(p.Traffic.ReceivedBytes)/n
	}
	return r
}

func (r poolReport) print() {
	if r.Made == 0 {
		fmt.Printf("%d of %s ready already; nothing to do\n", r.Ready, r.Pool)
		return
	}
	fmt.Printf("%d of %s ready; %d made in %.1f s (%.0f per second)\n", r.Ready, r.Pool, r.Made, r.Seconds, r.PerSecond)
	fmt.Printf("each took %.2f µs of CPU (client %.2f, server %.2f) and %.1f bytes (%.1f sent, %.1f received)\n",
		r.ClientCPU+r.ServerCPU, r.ClientCPU, r.ServerCPU, r.Sent+r.Received, r.Sent, r.Received)
}

// suffices says what n elements of a pool are good for.
func suffices(pool string, n int) string {
	spec, err := correlation.ParsePool(pool, max(1, n))
	if err != nil {
		return ""
	}
	c := spec.Shape
	switch spec.Kind {
	case correlation.Triples, correlation.Products:
		return count(n, "multiplication")
	case correlation.Squares:
		return count(n, "square")
	case correlation.Powers:
		return fmt.Sprintf("polynomials of degree %d at %s", spec.Degree, count(n, "point"))
	case correlation.Matrix:
		return fmt.Sprintf("%s of %d×%d by %d×%d matrices", count(n, "product"), c.H, c.C, c.C, c.K)
	case correlation.Convolution:
		return fmt.Sprintf("%s of %d×%d×%d images to %d channels", count(n, "convolution"), c.H, c.W, c.C, c.K)
	}
	return ""
}
