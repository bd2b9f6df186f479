// Package mnist holds the model that pascaline ships: a small convolutional network for
// handwritten digits with polynomial activations, trained by
//
//	GOEXPERIMENT=simd go build -o bin/ ./cmd/pillar
//	bin/pillar train lenet --data mnist --epochs 10 --shift 2 --penalty 5e-5 --name mnist --out trained
//
// of which this is trained/lenet.pasc.
package mnist

import (
	_ "embed"
	"fmt"

	"pascaline/model"
)

//go:embed mnist.pasc
var compiled []byte

// Accuracy is the share of the 10,000 test images of MNIST that the model classifies
// rightly, in fixed point.
const Accuracy = 0.9946

// Model returns the model, weights included.
func Model() (*model.Model, error) {
	m, err := model.Decode(compiled)
	if err != nil {
		return nil, fmt.Errorf("reading the built-in model: %w", err)
	}
	return m, nil
}
