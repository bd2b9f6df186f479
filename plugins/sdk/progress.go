package sdk

import (
	"sync"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/plugins/internal/wire"
)

// progress passes on how much of a call is done. Any goroutine may tell it.
type progress struct {
	mu     sync.Mutex
	stream *wire.Stream // nil while no call is at work
	told   float64
}

// progressStep keeps the number of messages below what the protocol allows.
const progressStep = 2.0 / wire.MaxProgress

func (p *progress) begin(stream *wire.Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stream, p.told = stream, 0
}

func (p *progress) end() { p.begin(nil) }

func (p *progress) tell(fraction float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fraction = min(fraction, 1) // a NaN fails both comparisons
	if p.stream == nil || !(fraction >= p.told+progressStep || fraction == 1 && p.told < 1) {
		return
	}
	p.told = fraction
	if b, err := proto.Marshal(&api.BackendProgress{Fraction: fraction}); err == nil {
		p.stream.Send(api.BackendKind_BACKEND_PROGRESS, b)
	}
}
