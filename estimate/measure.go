package estimate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"

	"pascaline/api"
	"pascaline/bench"
	"pascaline/internal/cpu"
	"pascaline/link"
	"pascaline/offline"
	"pascaline/ring"
)

// speeds are the processor times of some work of each sort, in seconds.
type speeds struct {
	powersClient, powersServer float64 // a full batch of powers of degree 4
	linear                     float64 // a layer under encryption, the server's part
	carry                      float64 // a byte, from one party to the other
	product                    float64 // a multiplication of a convolution
	power                      float64 // a power of an activation's element
}

// epycSpeeds are those of the machine of [EPYC], as docs/benchmarks.md has them:
// generators' less the third that other work took.
var epycSpeeds = speeds{
	powersClient: 0.7 * 12e-3, powersServer: 0.7 * 15e-3, linear: 0.7 * 8 * 36e-3,
	carry: 1.5e-9, product: 1 / 33.8e9, power: 3.5e-9 / 4,
}

// epycCores are that machine's.
const epycCores = 2

// probeLayer is what speeds.linear is of, for a group of probeGroup inferences.
var probeLayer = ring.ConvShape{H: 32, W: 32, C: 64, K: 64, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}

const probeGroup = 8

// Measure returns the rates of this machine: those of [EPYC], each times as many as
// work of its sort takes here. Measuring takes a second. What else this machine does
// meanwhile slows it down.
func Measure(ctx context.Context) (Rates, error) {
	machine := bench.ThisMachine()
	s, err := measure(ctx)
	if err != nil {
		return Rates{}, fmt.Errorf("measuring how fast this machine is: %w", err)
	}
	r := EPYC().scaled(s, machine.Cores)
	r.Machine, r.Measured = fmt.Sprintf("%d cores of this %s, kernel %s", machine.Cores, machine.Processor, machine.Kernel), true
	return r, nil
}

// scaled returns rates for a machine of other speeds and so many cores.
func (r Rates) scaled(s speeds, cores int) Rates {
	ratio := func(s, epyc float64) float64 { return s / epyc }
	client, server := ratio(s.powersClient, epycSpeeds.powersClient), ratio(s.powersServer, epycSpeeds.powersServer)
	for d := range r.Lattigo.PowersClient {
		r.Lattigo.PowersClient[d] *= client
		r.Lattigo.PowersServer[d] *= server
	}
	share := float64(epycCores) / float64(cores)
	for _, w := range []struct {
		times float64
		rates []*float64
	}{
		{ratio(s.linear, epycSpeeds.linear), []*float64{&r.Lattigo.Product, &r.Lattigo.Weights}},
		{ratio(s.carry, epycSpeeds.carry), []*float64{
			&r.Lattigo.ClientByte, &r.Lattigo.ServerByte, &r.Lattigo.ServerRun,
			&r.Dealer.ClientElement, &r.Dealer.ClientByte, &r.Dealer.ClientRun, &r.Dealer.ServerByte, &r.Dealer.ServerRun, &r.Dealer.DealerByte, &r.Dealer.DealerRun,
			&r.Online.Message, &r.Online.Copy,
		}},
		{ratio(s.product, epycSpeeds.product), []*float64{&r.Dealer.ClientProduct, &r.Dealer.DealerProduct}},
		{share * ratio(s.product, epycSpeeds.product), []*float64{&r.Online.Product, &r.Online.Weight}},
		{share * ratio(s.power, epycSpeeds.power), []*float64{&r.Online.Power, &r.Online.Element}},
	} {
		for _, rate := range w.rates {
			*rate *= w.times
		}
	}
	return r
}

func measure(ctx context.Context) (s speeds, err error) {
	return s, errors.Join(s.measurePowers(), s.measureLinear(), s.measureCarry(ctx), s.measureProduct(), s.measurePower())
}

// least returns the least processor time that f takes in some tries.
func least(tries int, f func() error) (seconds float64, err error) {
	seconds = math.Inf(1)
	for range tries {
		began := cpu.Seconds()
		if err := f(); err != nil {
			return 0, err
		}
		seconds = min(seconds, cpu.Seconds()-began)
	}
	return seconds, nil
}

func (s *speeds) measurePowers() error {
	const degree, maskBits = 4, 56
	client, err := offline.NewPowersEncryptor(degree, maskBits)
	if err != nil {
		return err
	}
	server, err := offline.NewPowersEvaluator(degree, maskBits, client.PublicKey())
	if err != nil {
		return err
	}
	rho := make([]uint64, offline.PowersSlots)
	ring.NewStream(ring.NewSeed(), "estimate/rho").FillBits(rho, maskBits)
	shares := make([]ring.Vec128, degree-1)
	for k := range shares {
		shares[k] = ring.MakeVec128(len(rho))
	}
	var query, reply []byte
	encrypt, err := least(5, func() (err error) { query, err = client.Encrypt(rho); return err })
	if err != nil {
		return err
	}
	if s.powersServer, err = least(5, func() (err error) { reply, err = server.Evaluate(rho, shares, query); return err }); err != nil {
		return err
	}
	decrypt, err := least(5, func() error { _, err := client.Decrypt(rho, reply); return err })
	s.powersClient = encrypt + decrypt
	return err
}

func (s *speeds) measureLinear() error {
	client, err := offline.NewLinearEncryptor()
	if err != nil {
		return err
	}
	server, err := offline.NewLinearEvaluator(client.PublicKey())
	if err != nil {
		return err
	}
	packing, err := offline.NewLinearPacking(probeLayer, probeGroup)
	if err != nil {
		return err
	}
	inputs, masks := make([][]uint64, probeGroup), make([][]uint64, probeGroup)
	for i := range inputs {
		inputs[i], masks[i] = make([]uint64, probeLayer.InLen()), make([]uint64, probeLayer.OutLen())
	}
	var queries [][]byte
	if err := client.Encrypt(packing, inputs, func(m []byte) error { queries = append(queries, m); return nil }); err != nil {
		return err
	}
	s.linear, err = least(2, func() error {
		rest := queries
		return server.Evaluate(packing, smallWeights(probeLayer), masks, func() ([]byte, error) {
			m := rest[0]
			rest = rest[1:]
			return m, nil
		}, func([]byte) error { return nil })
	})
	return err
}

// smallWeights draws weights of a layer.
func smallWeights(shape ring.ConvShape) []int16 {
	draw, w := make([]uint64, shape.WeightLen()), make([]int16, shape.WeightLen())
	ring.NewStream(ring.NewSeed(), "estimate/weights").FillBits(draw, 10)
	for i, v := range draw {
		w[i] = int16(v) - 1<<9
	}
	return w
}

// measureCarry sends messages over loopback, with TLS.
func (s *speeds) measureCarry(ctx context.Context) error {
	const size, messages = 4 << 20, 24
	var ids [2]link.Identity
	var err error
	for p := range ids {
		if ids[p], err = link.GenerateIdentity(); err != nil {
			return err
		}
	}
	server, err := link.NewServer(ids[0], link.Allow(ids[1].Public()), func(ctx context.Context, stream *link.Stream) error {
		buf := make([]byte, size)
		for range messages {
			if _, err := stream.RecvInto(ctx, api.Kind_HELLO, buf); err != nil {
				return err
			}
		}
		return stream.Send(ctx, api.Kind_HELLO, nil)
	}, link.Options{})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go server.Serve(listener)
	defer server.Stop()
	conn, err := link.Dial(ctx, listener.Addr().String(), ids[1], ids[0].Public(), link.Options{})
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := conn.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	payload := make([]byte, size)
	all, err := least(1, func() error {
		for range messages {
			if err := stream.Send(ctx, api.Kind_HELLO, payload); err != nil {
				return err
			}
		}
		_, err := stream.Recv(ctx, api.Kind_HELLO, 0)
		return err
	})
	s.carry = all / (messages * size)
	return err
}

func (s *speeds) measureProduct() error {
	kernel := ring.NewKernel(smallWeights(probeLayer), probeLayer)
	src, dst := [][]uint64{make([]uint64, probeLayer.InLen())}, [][]uint64{make([]uint64, probeLayer.OutLen())}
	ring.NewStream(ring.NewSeed(), "estimate/image").Fill(src[0])
	const times = 8
	seconds, err := least(5, func() error {
		for range times {
			kernel.AddRows(dst, src, 0, probeLayer.OutH())
		}
		return nil
	})
	s.product = seconds / float64(times*probeLayer.MACs())
	return err
}

func (s *speeds) measurePower() error {
	const n, degree = 1 << 16, 4
	p, err := ring.NewPascal([]int64{322, 512, 160, 0, -3}, 10, 10, 10)
	if err != nil {
		return err
	}
	stream := ring.NewStream(ring.NewSeed(), "estimate/activation")
	words := func() []uint64 {
		v := make([]uint64, n)
		stream.FillBits(v, 53)
		return v
	}
	z0, z1, rho, shares := words(), words(), words(), make([]ring.Vec128, degree-1)
	for k := range shares {
		shares[k] = ring.Vec128{Lo: words(), Hi: words()}
	}
	dst := make([]uint64, n)
	const times = 16
	seconds, err := least(5, func() error {
		for range times {
			p.Activate(dst, 0, z0, z1, rho, shares, 6, 20)
		}
		return nil
	})
	s.power = seconds / (times * n * degree)
	return err
}
