package online

import (
	"math"
	"math/rand/v2"
	"testing"

	"pascaline/internal/plantest"
	"pascaline/model"
)

// about reports whether two times are the same, up to rounding.
func about(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(a, b) }

func TestARehearsalSendsWhatABatchDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for name, network := range map[string]func(plantest.Source) (*model.Plan, *model.Weights){"small": plantest.Network, "large": plantest.Large} {
		p, w := network(r)
		for _, batch := range []int{1, 3} {
			s, c, _, _ := pairUp(t, p, w, batch)
			var inputs [][]uint64
			for range batch {
				inputs = append(inputs, plantest.Input(r, p.Nodes[0].Shape.Len(), 9))
			}
			_, toServer, toClient := exchange(t, s, c, inputs)
			got := layOut(t, p, nil).Rehearse(batch, Pace{})
			up, down := 0, 0
			for _, m := range toServer {
				up += len(m)
			}
			for _, m := range toClient {
				down += len(m)
			}
			if want := (Rehearsal{Up: up, Down: down, UpMessages: len(toServer), DownMessages: len(toClient)}); got != want {
				t.Errorf("%s network, batch of %d: %+v, but a batch has %+v", name, batch, got, want)
			}
			if got.Seconds != 0 {
				t.Errorf("%s network: %v s where nothing takes time", name, got.Seconds)
			}
		}
	}
}

func TestARehearsalTakesWhatItsPartsTake(t *testing.T) {
	p, _ := plantest.Network(rand.New(rand.NewPCG(7, 8)))
	large, _ := plantest.Large(rand.New(rand.NewPCG(7, 8)))
	for name, p := range map[string]*model.Plan{"small": p, "large": large} {
		c := layOut(t, p, nil)
		s := p.Summary()
		rounds := float64(c.Rounds())
		bytes := 8 * float64(s.Inputs+2*s.Activations+s.Outputs)
		for _, n := range []int{1, 4} {
			// Round trips alone: bands do not add any.
			if got := c.Rehearse(n, Pace{Delay: 0.05}).Seconds; !about(got, rounds*0.1) {
				t.Errorf("%s network, batch of %d: %v s for %v round trips of 0.1", name, n, got, rounds)
			}
			// Multiplications alone, one after the other, and the server's alone.
			got := c.Rehearse(n, Pace{Product: 1e-9})
			if want := float64(n*s.MACs) * 1e-9; !about(got.Seconds, want) || !about(got.Server, want) || got.Client != 0 {
				t.Errorf("%s network, batch of %d: %+v for %v s of multiplications", name, n, got, want)
			}
			// Both evaluate all powers, side by side but for what bands leave over.
			got = c.Rehearse(n, Pace{Power: 1e-9})
			want := 0.0
			for _, node := range p.Nodes {
				if node.Act != nil {
					want += float64(n*node.Shape.Len()*node.Act.Degree()) * 1e-9
				}
			}
			if !about(got.Server, want) || !about(got.Client, want) || got.Seconds < want*(1-1e-9) || got.Seconds > 2*want {
				t.Errorf("%s network, batch of %d: %+v for %v s of powers at either party", name, n, got, want)
			}
			// Bytes alone: in whole layers one direction at a time, in bands both at once.
			seconds := c.Rehearse(n, Pace{Byte: 1e-6}).Seconds
			if name == "small" && n == 1 && !about(seconds, bytes*1e-6) {
				t.Errorf("%s network: %v s for %v bytes in whole layers", name, seconds, bytes)
			}
			if seconds > float64(n)*bytes*1e-6*(1+1e-9) || seconds < float64(n)*bytes*1e-6/2*(1-1e-9) {
				t.Errorf("%s network, batch of %d: %v s for %v bytes both ways", name, n, seconds, float64(n)*bytes)
			}
		}
	}
}

// What the bands are for: layers travel while others are computed.
func TestBandsOverlapInARehearsal(t *testing.T) {
	p, _ := plantest.Large(rand.New(rand.NewPCG(7, 8)))
	c := layOut(t, p, nil)
	pace := Pace{Byte: 1e-7, Product: 1e-9, Power: 1e-8}
	all := c.Rehearse(1, pace).Seconds
	one := c.Rehearse(1, Pace{Byte: pace.Byte}).Seconds + c.Rehearse(1, Pace{Product: pace.Product}).Seconds + c.Rehearse(1, Pace{Power: pace.Power}).Seconds
	if all >= one {
		t.Errorf("%v s, and %v if nothing overlapped", all, one)
	}
	if with := c.Rehearse(1, Pace{Byte: pace.Byte, Message: 1}); with.Seconds < float64(with.UpMessages) {
		t.Errorf("%v s where each of %d messages takes its sender and its receiver one", with.Seconds, with.UpMessages)
	}
}
