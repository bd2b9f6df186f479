package digits

import (
	"os"
	"path/filepath"
	"testing"

	"pascaline/model"
)

// A network trained on MNIST, which never saw these hands, must read them: a
// demonstration that fails on its own samples shows nothing.
func TestAnMNISTNetworkReadsEverySampleWithoutDoubt(t *testing.T) {
	const gap = 4 // between the logit of the digit and the next best
	path := filepath.Join("..", "..", "model", "testdata", "mnist-cnn.onnx")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the model package has no trained network to test with: %v", err)
	}
	graph, _, err := model.ImportONNXFile(path, model.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := Images()
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range set {
		input := make([]float64, len(im.Pixels))
		for i, v := range im.Pixels {
			input[i] = float64(v)
		}
		logits, err := graph.Float(input)
		if err != nil {
			t.Fatal(err)
		}
		if len(logits) != 10 {
			t.Fatalf("%d logits", len(logits))
		}
		for digit, logit := range logits {
			if digit != im.Label && logit > logits[im.Label]-gap {
				t.Errorf("%s: the logit of %d is %.2f, of %d %.2f", im.Name, im.Label, logits[im.Label], digit, logit)
			}
		}
	}
}
