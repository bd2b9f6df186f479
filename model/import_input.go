package model

import (
	"errors"
	"fmt"
	"strings"

	"pascaline/internal/onnxpb"
)

// declare enters initializers, the network's input and every node's outputs.
func (im *importer) declare(g *onnxpb.GraphProto) error {
	for _, t := range g.Initializer {
		if im.values[t.Name] != nil {
			return fmt.Errorf("two initializers are called %q", t.Name)
		}
		im.values[t.Name] = &value{proto: t}
	}
	// Older files list the initializers among the inputs.
	var inputs []*onnxpb.ValueInfoProto
	for _, i := range g.Input {
		if im.values[i.Name] == nil {
			inputs = append(inputs, i)
		}
	}
	if len(inputs) != 1 {
		return fmt.Errorf("the network has %d inputs %s; export it with one", len(inputs), valueNames(inputs))
	}
	v, err := im.input(inputs[0])
	if err != nil {
		return fmt.Errorf("input %q: %w", inputs[0].Name, err)
	}
	im.values[inputs[0].Name] = v
	for _, n := range g.Node {
		for _, name := range n.Output {
			if name == "" {
				continue // an output that is not wanted
			}
			if other := im.producers[name]; other != nil {
				return fmt.Errorf("%s and %s both produce %q", describe(other), describe(n), name)
			}
			if im.values[name] != nil {
				return fmt.Errorf("%s produces %q, which is an input or initializer already", describe(n), name)
			}
			im.producers[name] = n
		}
	}
	return nil
}

// input reads the type of the network's input: 1×features, 1×C×H×W, or either
// without the batch.
func (im *importer) input(info *onnxpb.ValueInfoProto) (*value, error) {
	t := info.GetType().GetTensorType()
	switch e := t.GetElemType(); e {
	case onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_DOUBLE:
	case onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_BFLOAT16:
		return nil, errors.New("has 16-bit values; export the model in float32 (model.float())")
	default:
		return nil, fmt.Errorf("has type %v; it must be a tensor of float32", e)
	}
	shape := t.GetShape().GetDim()
	if len(shape) < 1 || len(shape) > 4 {
		return nil, fmt.Errorf("has %d dimensions; export the model with an input of shape 1×C×H×W or 1×features", len(shape))
	}
	var dims []int
	for i, d := range shape {
		size := d.GetDimValue()
		switch batch := i == 0 && (len(shape) == 2 || len(shape) == 4); {
		case batch && size > 1:
			return nil, fmt.Errorf("has a batch of %d; export the model with a batch of 1 or of any size (dynamic_axes)", size)
		case batch || i == 0 && len(shape) == 3 && size == 0: // 1, or not fixed
			dims = append(dims, 1)
		case size < 1 || size > maxDim:
			return nil, fmt.Errorf("dimension %d is %d; export the model with fixed sizes from 1 to %d, only the batch may vary",
				i, size, maxDim)
		default:
			dims = append(dims, int(size))
		}
	}
	out := Shape{1, 1, dims[len(dims)-1]}
	l := vectorLayout(out.C)
	if rank := len(dims); rank >= 3 {
		out = Shape{dims[rank-2], dims[rank-1], dims[rank-3]}
		l = imageLayout(out)
	}
	if err := checkShape(out); err != nil {
		return nil, err
	}
	l = l[len(l)-len(dims):]
	v := im.yield(&step{GraphNode: GraphNode{Op: OpInput, Shape: out}}, info.Name, "the input")
	v.layout = l
	return v, nil
}

func valueNames(infos []*onnxpb.ValueInfoProto) string {
	const shown = 8
	var names []string
	for _, i := range infos[:min(shown, len(infos))] {
		names = append(names, fmt.Sprintf("%q", i.Name))
	}
	if len(infos) > shown {
		names = append(names, "…")
	}
	return "(" + strings.Join(names, ", ") + ")"
}
