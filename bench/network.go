package bench

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"pascaline/link"
	"pascaline/model"
	"pascaline/ring"
)

// Report is what a measurement of networks found.
type Report struct {
	Date     time.Time  `json:"date"`
	Machine  Machine    `json:"machine"`
	Networks []*Network `json:"networks"`
}

// Machine is what both parties ran on.
type Machine struct {
	Processor string `json:"processor"`
	Cores     int    `json:"cores"` // that both parties share
	Go        string `json:"go"`
	Kernel    string `json:"kernel"`
	// Peak is the multiplier's measured peak of one core, in MAC/s.
	Peak float64 `json:"peak_mac_per_s"`
}

// ThisMachine describes the machine and measures its multiplier.
func ThisMachine() Machine {
	return Machine{
		Processor: processor(), Cores: runtime.GOMAXPROCS(0), Go: runtime.Version(),
		Kernel: ring.KernelName(), Peak: ring.MultiplierPeak(),
	}
}

// processor returns the name of the processor, where the system tells.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// Network is one network, and what it costs.
type Network struct {
	Name        string    `json:"name"`
	Degree      int       `json:"degree"` // of the activations, the highest
	Activations int       `json:"activations"`
	Layers      int       `json:"activation_layers"`
	MACs        int       `json:"macs"`
	Parameters  int       `json:"parameters"`
	Online      []Online  `json:"online"`
	Offline     []Offline `json:"offline"`
}

// NewNetwork describes the network of a plan.
func NewNetwork(name string, p *model.Plan) *Network {
	s := p.Summary()
	n := &Network{Name: name, Activations: s.Activations, MACs: s.MACs, Parameters: s.Parameters}
	for _, node := range p.Nodes {
		if node.Act != nil {
			n.Degree = max(n.Degree, node.Act.Degree())
			n.Layers++
		}
	}
	return n
}

// Online is what inferences cost over one emulated network, two processes and TLS
// between them. Bytes, processor time and memory are of the whole processes.
type Online struct {
	Setting string `json:"setting"` // see [link.ParseNetwork]
	Batch   int    `json:"batch"`
	Repeat  int    `json:"repeat"`

	Latency float64 `json:"latency_s"` // of a batch: median
	P95     float64 `json:"latency_p95_s"`
	Floor   float64 `json:"floor_s"` // see [Floor]
	Rounds  int     `json:"rounds"`

	// Of one inference; CPU while the batch was under way, bundles claimed and
	// unpacked before.
	SentBytes     float64 `json:"sent_bytes"` // by the client, on the wire
	ReceivedBytes float64 `json:"received_bytes"`
	ClientCPU     float64 `json:"client_cpu_s"`
	ServerCPU     float64 `json:"server_cpu_s"`

	ClientMemory int64 `json:"client_peak_bytes"`
	ServerMemory int64 `json:"server_peak_bytes"`

	Check Check `json:"check"`
}

// Check holds private outputs against the evaluation in the clear, in fixed
// point.
type Check struct {
	Agree      int     `json:"agree"` // name the same class
	Ties       int     `json:"ties"`  // name another, which ties with it in the clear
	Of         int     `json:"of"`
	Difference float64 `json:"largest_logit_difference"`
	Range      float64 `json:"logit_range"` // from the smallest to the largest in the clear, of the output where that is most
}

// Add counts one output.
func (c *Check) Add(private, clear []float64) {
	low, high := clear[0], clear[0]
	for i, v := range clear {
		low, high = min(low, v), max(high, v)
		c.Difference = max(c.Difference, max(v-private[i], private[i]-v))
	}
	c.Range = max(c.Range, high-low)
	c.Of++
	switch class := model.Class(private); {
	case class == model.Class(clear):
		c.Agree++
	case high-clear[class] <= tie*c.Range:
		c.Ties++
	}
}

// tie is how close to the largest logit, over the range of the network's so far,
// another one is as good: the rounding of shares may decide either way.
const tie = 0.02

// Sound reports whether all outputs name the class that the evaluation in the clear
// names, ties apart, with logits that are off by less than a twentieth of their range.
func (c *Check) Sound() bool {
	return c.Agree+c.Ties == c.Of && c.Difference <= 0.05*c.Range
}

// Floor returns the time in seconds that a batch of inferences by this protocol
// takes at least if one thing follows the other: each round a round trip, the larger
// direction's bytes the bandwidth, and the server's multiplications, as direct
// convolutions have them, all of the cores' multipliers. Where bytes take longer than
// round trips, the bands of a layer travel while others wait, and an inference can be
// faster.
func Floor(n link.Network, rounds int, bytesEachWay float64, macs float64, m Machine) float64 {
	t := float64(rounds)*2*n.Delay.Seconds() + macs/(m.Peak*float64(m.Cores))
	if n.Bandwidth > 0 {
		t += 8 * bytesEachWay / float64(n.Bandwidth)
	}
	return t
}

// Offline is what a backend takes to make the bundle of one inference.
type Offline struct {
	Backend string `json:"backend"`
	Bundles int    `json:"bundles"` // made together

	Seconds   float64 `json:"wall_s"`
	ClientCPU float64 `json:"client_cpu_s"`
	ServerCPU float64 `json:"server_cpu_s"`
	DealerCPU float64 `json:"dealer_cpu_s,omitempty"`
	// What crosses the link between client and server; what a dealer sends is not
	// in it.
	SentMB        float64 `json:"sent_mb"`
	ReceivedMB    float64 `json:"received_mb"`
	ClientStoreMB float64 `json:"client_store_mb"`
	ServerStoreMB float64 `json:"server_store_mb"`

	// Peaks of the largest process of each side while producing.
	ClientMemory int64 `json:"client_peak_bytes"`
	ServerMemory int64 `json:"server_peak_bytes"`
}

// CPU returns the processor time of all parties.
func (o *Offline) CPU() float64 { return o.ClientCPU + o.ServerCPU + o.DealerCPU }

// Ratio returns the latency over its floor.
func (o *Online) Ratio() float64 { return o.Latency / o.Floor }

// Key names what was measured, so that two reports can be put side by side.
func (o *Online) Key() string { return fmt.Sprintf("%s, batch %d", o.Setting, o.Batch) }
