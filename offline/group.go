package offline

import (
	"pascaline/correlation"
	"pascaline/model"
)

// Group is one party's halves of bundles made together. Bundle i of the two
// parties' groups have the same id; the digests are equal if both saw the same
// messages.
type Group struct {
	IDs     [][16]byte
	Digest  [32]byte
	Bundles []*correlation.Bundle
}

const (
	// maxGroup bounds a group: from 64 bundles on, packing gains little more.
	maxGroup = 64
	// groupMemory bounds what the tensors of a group may take at one party.
	groupMemory = 256 << 20
)

// GroupSize returns how many bundles of a plan are made together at most.
func GroupSize(plan *model.Plan) int {
	return max(1, min(maxGroup, groupMemory/plan.BundleMemory()))
}
