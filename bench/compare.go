package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
)

// ReadReport reads a report from a file of JSON.
func ReadReport(path string) (*Report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("reading a report: %s is not what bench network --json writes: %w", path, err)
	}
	if len(r.Networks) == 0 {
		return nil, fmt.Errorf("reading a report: %s: %w", path, errors.New("it has no networks; pass what bench network --json wrote"))
	}
	return &r, nil
}

// Change is one figure then and now.
type Change struct {
	Network, Setting, Figure string
	Old, New                 float64
}

// Ratio is the new figure over the old one.
func (c Change) Ratio() float64 { return c.New / c.Old }

// Moved reports whether the figure changed by more than a tenth, either way.
func (c Change) Moved() bool { return math.Abs(math.Log(c.Ratio())) > math.Log(1.1) }

// String shows the change.
func (c Change) String() string {
	return fmt.Sprintf("%s, %s: %s %.3g, was %.3g (×%.2f)", c.Network, c.Setting, c.Figure, c.New, c.Old, c.Ratio())
}

// Compare puts beside each other the figures that two reports both have.
func Compare(old, now *Report) (changes []Change) {
	for _, n := range now.Networks {
		before := old.find(n.Name, n.Degree)
		if before == nil {
			continue
		}
		add := func(setting, figure string, was, is float64) {
			if was > 0 && is > 0 {
				changes = append(changes, Change{n.Name, setting, figure, was, is})
			}
		}
		for _, o := range n.Online {
			for _, w := range before.Online {
				if w.Key() == o.Key() {
					add(o.Key(), "latency (s)", w.Latency, o.Latency)
					add(o.Key(), "CPU (s)", w.ClientCPU+w.ServerCPU, o.ClientCPU+o.ServerCPU)
					add(o.Key(), "MB", (w.SentBytes+w.ReceivedBytes)/1e6, (o.SentBytes+o.ReceivedBytes)/1e6)
				}
			}
		}
		for _, o := range n.Offline {
			for _, w := range before.Offline {
				// What a bundle costs depends on how many are made at once.
				if w.Backend == o.Backend && w.Bundles == o.Bundles {
					add(o.Backend, "wall (s)", w.Seconds, o.Seconds)
					add(o.Backend, "CPU (s)", w.CPU(), o.CPU())
					add(o.Backend, "MB", w.SentMB+w.ReceivedMB, o.SentMB+o.ReceivedMB)
				}
			}
		}
	}
	return changes
}

func (r *Report) find(name string, degree int) *Network {
	for _, n := range r.Networks {
		if n.Name == name && n.Degree == degree {
			return n
		}
	}
	return nil
}
