//go:build !amd64

package offline

import lattigo "github.com/tuneinsight/lattigo/v5/ring"

func newVectorTransform(*lattigo.SubRing) vectorTransform { return nil }
