// Package mnist holds the model that pascaline ships: a small convolutional
// network for handwritten digits with polynomial activations, compiled from
// model/testdata/mnist-cnn.onnx and calibrated on MNIST's training images:
//
//	pascaline model import model/testdata/mnist-cnn.onnx --count 5000 \
//		--calibrate train-images-idx3-ubyte.gz --labels 0,1,2,3,4,5,6,7,8,9 -o mnist.pasc
package mnist

import (
	_ "embed"
	"fmt"

	"pascaline/model"
)

//go:embed mnist.pasc
var compiled []byte

// Model returns the model, weights included.
func Model() (*model.Model, error) {
	m, err := model.Decode(compiled)
	if err != nil {
		return nil, fmt.Errorf("reading the built-in model: %w", err)
	}
	return m, nil
}
