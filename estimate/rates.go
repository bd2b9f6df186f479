package estimate

import (
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/online"
)

// Rates are how fast a machine does what plans ask for, in seconds of one core's time
// unless it says otherwise.
type Rates struct {
	Machine string `json:"machine"` // either party has such a one
	// Measured says that Machine was measured, rather than remembered.
	Measured bool `json:"measured"`

	Lattigo LattigoRates `json:"lattigo"`
	Dealer  DealerRates  `json:"dealer"`
	Online  OnlineRates  `json:"online"`
}

// LattigoRates are those of making correlations by homomorphic encryption.
type LattigoRates struct {
	// PowersClient and PowersServer are a full batch of powers (offline.PowersSlots),
	// by degree.
	PowersClient [correlation.MaxDegree + 1]float64 `json:"powers_client_s"`
	PowersServer [correlation.MaxDegree + 1]float64 `json:"powers_server_s"`
	// Product is a query times a polynomial of weights, and Weights the values of
	// such a polynomial.
	Product float64 `json:"product_s"`
	Weights float64 `json:"weights_s"`
	// ClientByte and ServerByte are a byte between the parties, whoever sends it: TLS,
	// the way to and from the backend's process, and the store's part.
	ClientByte float64 `json:"client_byte_s"`
	ServerByte float64 `json:"server_byte_s"`
	ServerRun  float64 `json:"server_run_s"` // a run, whatever it makes
}

// DealerRates are those of having them dealt.
type DealerRates struct {
	ClientElement float64 `json:"client_element_s"` // an activation's element
	ClientByte    float64 `json:"client_byte_s"`    // a byte between the parties
	ClientProduct float64 `json:"client_product_s"` // a multiplication of a linear layer
	ClientRun     float64 `json:"client_run_s"`
	ServerByte    float64 `json:"server_byte_s"` // a byte between the parties, or dealt
	ServerRun     float64 `json:"server_run_s"`
	DealerByte    float64 `json:"dealer_byte_s"` // a byte dealt
	DealerProduct float64 `json:"dealer_product_s"`
	DealerRun     float64 `json:"dealer_run_s"`
}

// OnlineRates are [online.Pace] but for the link: times of a party with all its
// cores.
type OnlineRates struct {
	Message float64 `json:"message_s"`
	Copy    float64 `json:"copy_s"`
	Product float64 `json:"product_s"`
	Weight  float64 `json:"weight_s"`
	Element float64 `json:"element_s"`
	Power   float64 `json:"power_s"`
}

// pace returns how fast a batch goes over a network.
func (r *OnlineRates) pace(n link.Network) online.Pace {
	p := online.Pace{
		Delay: n.Delay.Seconds(), Message: r.Message, Copy: r.Copy,
		Product: r.Product, Weight: r.Weight, Element: r.Element, Power: r.Power,
	}
	if n.Bandwidth > 0 {
		p.Byte = 8 / float64(n.Bandwidth)
	}
	return p
}

// EPYC are the rates of the machine of docs/benchmarks.md. Those of powers are its
// benchmarks' of generators, less the third that other work took; the others come
// nearest, by least squares of relative differences, to what bench network measured
// of the paper's networks, both parties on the two cores. docs/planning.md says how
// near.
func EPYC() Rates {
	r := Rates{
		Machine: "two cores of an AMD EPYC (Zen 4) with AVX-512, of docs/benchmarks.md",
		Lattigo: LattigoRates{
			Product: 24e-6, Weights: 8.7e-6,
			ClientByte: 4.6e-9, ServerByte: 3.5e-9, ServerRun: 0.37,
		},
		Dealer: DealerRates{
			ClientElement: 54e-9, ClientByte: 4.0e-9, ClientProduct: 0.2e-9, ClientRun: 0.115,
			ServerByte: 8.7e-9, ServerRun: 0.03,
			DealerByte: 1.5e-9, DealerProduct: 0.27e-9, DealerRun: 0.026,
		},
		Online: OnlineRates{Message: 22e-6, Copy: 2e-9, Product: 1 / 45e9, Weight: 0.7e-9, Element: 1.5e-9, Power: 1e-9},
	}
	// Powers, client and server, in milliseconds; degree 7 lies between its neighbours.
	for degree, ms := range [...][2]float64{2: {2.7, 3.7}, 3: {6.7, 8.9}, 4: {12, 15}, 5: {15, 20}, 6: {26, 32}, 7: {29, 41}, 8: {32, 50}} {
		const idle = 0.7
		r.Lattigo.PowersClient[degree], r.Lattigo.PowersServer[degree] = idle*ms[0]/1e3, idle*ms[1]/1e3
	}
	return r
}
