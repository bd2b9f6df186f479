package model

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pascaline/internal/onnxpb"
)

// externalModel writes a small model whose weights are in a file beside it, as
// PyTorch does since 2.9, after a change.
func externalModel(t *testing.T, change func(dir string, w *onnxpb.TensorProto)) (path string, g *Graph) {
	t.Helper()
	dir := t.TempDir()
	b := newONNX(1, 4)
	out := b.linear(b.square(b.linear("x", 4, 5)), 5, 3)
	g, _, err := ImportONNX(b.bytes(t, out), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for _, w := range b.graph.Initializer {
		w.ExternalData = []*onnxpb.StringStringEntryProto{
			{Key: "location", Value: "net.onnx.data"}, {Key: "offset", Value: strconv.Itoa(len(data))}, {Key: "length", Value: strconv.Itoa(len(w.RawData))},
		}
		data = append(append(data, w.RawData...), 0, 0, 0, 0)
		w.RawData, w.DataLocation = nil, onnxpb.TensorProto_EXTERNAL
	}
	write(t, filepath.Join(dir, "net.onnx.data"), data)
	if change != nil {
		change(dir, b.graph.Initializer[1])
	}
	path = filepath.Join(dir, "net.onnx")
	write(t, path, b.bytes(t, out))
	return path, g
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWeightsInAFileBesideTheModelAreRead(t *testing.T) {
	path, want := externalModel(t, nil)
	g, _, err := ImportONNXFile(path, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range want.Nodes {
		if !slices.Equal(g.Nodes[i].W, n.W) || !slices.Equal(g.Nodes[i].Bias, n.Bias) {
			t.Errorf("node %q has other weights", n.Name)
		}
	}
}

func TestWeightsElsewhereAreRefused(t *testing.T) {
	set := func(key, value string) func(string, *onnxpb.TensorProto) {
		return func(_ string, w *onnxpb.TensorProto) {
			for _, e := range w.ExternalData {
				if e.Key == key {
					e.Value = value
				}
			}
		}
	}
	for name, c := range map[string]struct {
		change func(dir string, w *onnxpb.TensorProto)
		want   string
	}{
		"no file":                {set("location", "weights.bin"), `"weights.bin"`},
		"an absolute path":       {set("location", "/etc/passwd"), `"/etc/passwd"`},
		"a path upwards":         {set("location", "../net.onnx.data"), "beside the model"},
		"the folder itself":      {set("location", "."), "no file"},
		"no name":                {set("location", ""), "not named"},
		"an offset beyond":       {set("offset", "999"), "cut short"},
		"an offset that wraps":   {set("offset", "9223372036854775807"), "cut short"},
		"a negative offset":      {set("offset", "-4"), "damaged"},
		"another length":         {set("length", "16"), "needs 20"},
		"a length that is none":  {set("length", "many"), "damaged"},
		"half precision":         {func(_ string, w *onnxpb.TensorProto) { w.DataType = onnxpb.TensorProto_FLOAT16 }, "float32"},
		"a negative shape":       {func(_ string, w *onnxpb.TensorProto) { w.Dims = []int64{-5} }, "dimension"},
		"more than there may be": {func(_ string, w *onnxpb.TensorProto) { w.Dims = []int64{1 << 28, 1 << 28} }, "bytes"},
		"a link out of the folder": {func(dir string, w *onnxpb.TensorProto) {
			outside := filepath.Join(t.TempDir(), "outside")
			write(t, outside, make([]byte, 1000))
			if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
				t.Skip(err)
			}
			set("location", "link")(dir, w)
		}, `"link"`},
		"a file cut short": {func(dir string, _ *onnxpb.TensorProto) {
			if err := os.Truncate(filepath.Join(dir, "net.onnx.data"), 90); err != nil {
				t.Fatal(err)
			}
		}, "cut short"},
	} {
		path, _ := externalModel(t, c.change)
		_, _, err := ImportONNXFile(path, ImportOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"w`) {
			t.Errorf("%s: error %v lacks %q", name, err, c.want)
		}
	}
}
