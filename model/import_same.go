package model

import (
	"errors"
	"fmt"

	"pascaline/internal/onnxpb"
)

// cast imports a change of type, which changes nothing between real numbers.
func (im *importer) cast(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.operand(n, 0)
	if err != nil {
		return nil, err
	}
	to, err := castTo(n)
	if err != nil {
		return nil, err
	}
	if to != onnxpb.TensorProto_FLOAT && to != onnxpb.TensorProto_DOUBLE {
		return nil, fmt.Errorf("converts to %v; the network must compute in float32 throughout", to)
	}
	return x, nil
}

// same imports what changes nothing.
func (im *importer) same(n *onnxpb.NodeProto) (*value, error) {
	v, err := im.get(n, 0)
	if err == nil && v == nil {
		err = errors.New("lacks input 0")
	}
	return v, err
}

// dropout imports Dropout, which drops nothing in inference.
func (im *importer) dropout(n *onnxpb.NodeProto) (*value, error) {
	training, err := im.constant(n, 2, "training_mode")
	if err != nil {
		return nil, err
	}
	if training != nil && training.len() == 1 && training.at(0) != 0 {
		return nil, errors.New("drops elements as in training; export the model for inference (model.eval())")
	}
	return im.same(n)
}

func (im *importer) constantNode(n *onnxpb.NodeProto) (*value, error) {
	for _, at := range n.Attribute {
		switch at.Name {
		case "value":
			if at.T != nil {
				return &value{proto: at.T}, nil
			}
		case "value_float":
			return &value{constant: &tensor{float: []float32{at.F}}}, nil
		case "value_int":
			return &value{constant: &tensor{int: []int64{at.I}}}, nil
		case "value_floats":
			return &value{constant: &tensor{dims: []int{len(at.Floats)}, float: at.Floats}}, nil
		case "value_ints":
			return &value{constant: &tensor{dims: []int{len(at.Ints)}, int: at.Ints}}, nil
		}
	}
	return nil, errors.New("has no value that the import reads: a dense tensor, or numbers")
}
