package dealer

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/ring"
)

// protocolVersion changes with every change of what the parties and the dealer
// say to each other.
const protocolVersion = 1

// Limits of one request.
const (
	// maxCorrelations bounds the list of specifications: 4 MiB on the wire.
	maxCorrelations = 1 << 16
	// maxBatchWords bounds what the halves of one party take, all explicit, in
	// words of eight bytes.
	maxBatchWords = 1 << 30
	// maxProduct bounds the multiplications of one product of matrices or one
	// convolution: some ten seconds of one core.
	maxProduct = 1 << 34

	specSize  = 64
	batchSize = 32
	dealLimit = maxCorrelations*specSize + 256
)

// A request is what one party asks of the dealer.
type request struct {
	key   link.PublicKey // who asks, as the link knows
	peer  link.PublicKey // with whom
	batch [batchSize]byte
	party int
	specs []correlation.Spec
	blind ring.Seed // of B; from party 0, where any is linear
}

// Format keeps the seed out of logs, errors and debug output, whatever the verb.
func (r request) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "request(party %d, %s, redacted)", r.party, contents(r.specs))
}

// decodeDeal reads the request of the party that is known as key. Whatever
// payload holds, it takes no more memory than a few times payload itself.
func decodeDeal(payload []byte, key link.PublicKey) (*request, error) {
	var m api.Deal
	if err := proto.Unmarshal(payload, &m); err != nil {
		return nil, fmt.Errorf("the request is malformed: %v", err)
	}
	switch {
	case m.Version != protocolVersion:
		return nil, fmt.Errorf("this party speaks version %d of the dealer's protocol, the dealer version %d; run the same release everywhere", m.Version, protocolVersion)
	case len(m.Batch) != batchSize:
		return nil, fmt.Errorf("the name of the batch has %d bytes, not %d", len(m.Batch), batchSize)
	case m.Party > 1:
		return nil, fmt.Errorf("party %d; there are 0 and 1", m.Party)
	case len(m.Peer) != len(link.PublicKey{}):
		return nil, fmt.Errorf("the other party's public key has %d bytes, not %d", len(m.Peer), len(link.PublicKey{}))
	case link.PublicKey(m.Peer) == key:
		return nil, fmt.Errorf("party %s names itself as the other party; give each party a key of its own", key)
	}
	r := &request{key: key, peer: link.PublicKey(m.Peer), batch: [batchSize]byte(m.Batch), party: int(m.Party)}
	if err := r.takeSpecs(m.Specs); err != nil {
		return nil, err
	}
	return r, r.takeBlind(m.Blind)
}

// takeSpecs reads the list of specifications and holds it against the limits.
func (r *request) takeSpecs(b []byte) error {
	if len(b)%specSize != 0 || len(b) == 0 || len(b) > maxCorrelations*specSize {
		return fmt.Errorf("the list of specifications has %d bytes; a batch has from 1 to %d correlations, of %d bytes each", len(b), maxCorrelations, specSize)
	}
	words := 0
	r.specs = make([]correlation.Spec, 0, len(b)/specSize)
	for part := range slices.Chunk(b, specSize) {
		s, err := correlation.UnmarshalSpec(part)
		if err != nil {
			return fmt.Errorf("correlation %d: %w", len(r.specs), err)
		}
		if m := multiplications(s); m > maxProduct {
			return fmt.Errorf("correlation %d: one product of %v takes %d million multiplications; the dealer makes at most %d million", len(r.specs), s.Kind, m/1e6, maxProduct/1_000_000)
		}
		if words += s.Words(); words > maxBatchWords {
			return fmt.Errorf("the batch takes more than %d MiB at each party; ask for less at a time", maxBatchWords>>17)
		}
		r.specs = append(r.specs, s)
	}
	return nil
}

// takeBlind reads the seed of B.
func (r *request) takeBlind(b []byte) error {
	want := 0
	if r.party == 0 && slices.ContainsFunc(r.specs, isLinear) {
		want = ring.SeedSize
	}
	if len(b) != want {
		return fmt.Errorf("party %d sent a seed of %d bytes to blind weights with, not %d", r.party, len(b), want)
	}
	copy(r.blind[:], b)
	return nil
}

// multiplications returns how many one element takes, where it is a product of
// matrices or a convolution.
func multiplications(s correlation.Spec) int {
	switch s.Kind {
	case correlation.Matrix, correlation.Convolution, correlation.Linear:
		return s.Shape.MACs()
	}
	return 1
}

func isLinear(s correlation.Spec) bool { return s.Kind == correlation.Linear }

// difference says what keeps two requests for one batch from being matched, or
// "".
func difference(a, b *request) string {
	if a.party == b.party {
		return fmt.Sprintf("both %s and %s say that they are party %d", a.key, b.key, a.party)
	}
	if len(a.specs) != len(b.specs) {
		return fmt.Sprintf("party %d asks for %d correlations, party %d for %d", a.party, len(a.specs), b.party, len(b.specs))
	}
	for i, s := range a.specs {
		if o := b.specs[i]; s != o {
			return fmt.Sprintf("correlation %d: party %d asks for %s, party %d for %s", i, a.party, describe(s), b.party, describe(o))
		}
	}
	return ""
}

// describe names a specification.
func describe(s correlation.Spec) string {
	if isLinear(s) {
		return fmt.Sprintf("%d inferences of linear layer %d, of shape %+v", s.N, s.Layer, s.Shape)
	}
	return fmt.Sprintf("%d of %s", s.N, s.Pool())
}

// contents sums up specifications: how many elements of which kinds.
func contents(specs []correlation.Spec) string {
	var parts []string
	for _, k := range correlation.Kinds() {
		n := 0
		for _, s := range specs {
			if s.Kind == k {
				n += s.N
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %v", n, k))
		}
	}
	return strings.Join(parts, ", ")
}
