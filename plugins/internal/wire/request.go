package wire

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
)

const (
	specSize = 64
	// maxRequests bounds the requests of one call, and maxWords what their
	// halves, or their inputs, take: 2 GiB.
	maxRequests = 1 << 16
	maxWords    = 1 << 28
	// MaxRequest bounds their encoding, inputs apart.
	MaxRequest = maxRequests*specSize + 64
)

// HalfLimit bounds the encoding of a half: all of it explicit, and its head.
func HalfLimit(spec correlation.Spec) uint64 { return 8*uint64(spec.Words()) + 256 }

// checkSpecs checks what is asked for in one call.
func checkSpecs(specs []correlation.Spec, run correlation.Run) error {
	if len(specs) > maxRequests {
		return fmt.Errorf("%d requests; at most %d are made at a time", len(specs), maxRequests)
	}
	words, inputs := 0, 0
	for _, s := range specs {
		// Inputs come later, and have the length that is due.
		if err := run.Check(s); err != nil {
			return err
		}
		if s.Kind != specs[0].Kind {
			return fmt.Errorf("requests for %v and %v at once", specs[0].Kind, s.Kind)
		}
		words, inputs = words+s.Words(), inputs+run.InputLen(s)
		if words > maxWords || inputs > maxWords {
			return fmt.Errorf("requests for more than %d MiB; ask for less at a time", maxWords>>17)
		}
	}
	return nil
}

// EncodeRequests encodes requests of a run, inputs apart.
func EncodeRequests(requests []correlation.Request, run correlation.Run) ([]byte, error) {
	specs := make([]correlation.Spec, len(requests))
	encoded := make([]byte, 0, len(requests)*specSize)
	for i, r := range requests {
		if err := r.Validate(run); err != nil {
			return nil, err
		}
		b, err := r.Spec.MarshalBinary()
		if err != nil {
			return nil, err
		}
		specs[i], encoded = r.Spec, append(encoded, b...)
	}
	if err := checkSpecs(specs, run); err != nil {
		return nil, err
	}
	return proto.Marshal(&api.BackendRequest{Specs: encoded})
}

// DecodeRequests is the inverse of [EncodeRequests] for what came from anybody.
func DecodeRequests(b []byte, run correlation.Run) ([]correlation.Request, error) {
	var m api.BackendRequest
	if err := proto.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("decoding REQUEST: %w", err)
	}
	if len(m.Specs)%specSize != 0 {
		return nil, fmt.Errorf("decoding REQUEST: specifications of %d bytes; each has %d", len(m.Specs), specSize)
	}
	requests := make([]correlation.Request, len(m.Specs)/specSize)
	specs := make([]correlation.Spec, len(requests))
	for i := range requests {
		spec, err := correlation.UnmarshalSpec(m.Specs[i*specSize:][:specSize])
		if err != nil {
			return nil, fmt.Errorf("decoding REQUEST: %w", err)
		}
		specs[i], requests[i].Spec = spec, spec
	}
	if err := checkSpecs(specs, run); err != nil {
		return nil, fmt.Errorf("decoding REQUEST: %w", err)
	}
	return requests, nil
}

// EncodeWords encodes elements mod 2^64.
func EncodeWords(v []uint64) []byte {
	b := make([]byte, 8*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint64(b[8*i:], x)
	}
	return b
}

// DecodeWords is the inverse of [EncodeWords].
func DecodeWords(b []byte) []uint64 {
	v := make([]uint64, len(b)/8)
	for i := range v {
		v[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return v
}
