package model

import (
	"fmt"

	"pascaline/internal/onnxpb"
)

// attributes reads the attributes of a node and keeps the first error.
type attributes struct {
	node *onnxpb.NodeProto
	err  error
}

// find returns an attribute of the given type, nil if there is none. Files of
// the first version of the format do not state types.
func (a *attributes) find(name string, t onnxpb.AttributeProto_Type) *onnxpb.AttributeProto {
	for _, at := range a.node.Attribute {
		if at.Name != name {
			continue
		}
		if at.Type != t && at.Type != onnxpb.AttributeProto_UNDEFINED {
			if a.err == nil {
				a.err = fmt.Errorf("its attribute %q is of type %v, not %v: the file is damaged", name, at.Type, t)
			}
			return nil
		}
		return at
	}
	return nil
}

func (a *attributes) int(name string, absent int64) int64 {
	if at := a.find(name, onnxpb.AttributeProto_INT); at != nil {
		return at.I
	}
	return absent
}

func (a *attributes) float(name string, absent float64) float64 {
	if at := a.find(name, onnxpb.AttributeProto_FLOAT); at != nil {
		return float64(at.F)
	}
	return absent
}

func (a *attributes) string(name, absent string) string {
	if at := a.find(name, onnxpb.AttributeProto_STRING); at != nil {
		return string(at.S)
	}
	return absent
}

func (a *attributes) ints(name string) []int64 {
	if at := a.find(name, onnxpb.AttributeProto_INTS); at != nil {
		return at.Ints
	}
	return nil
}

// sizes returns as many sizes as absent has, each from least up.
func (a *attributes) sizes(name string, absent []int, least int64) []int {
	at := a.find(name, onnxpb.AttributeProto_INTS)
	if at == nil {
		return absent
	}
	if len(at.Ints) != len(absent) {
		if a.err == nil {
			a.err = fmt.Errorf("its attribute %q has %d values, not the %d of a two-dimensional layer", name, len(at.Ints), len(absent))
		}
		return absent
	}
	sizes := make([]int, len(absent))
	for i, v := range at.Ints {
		if v < least || v > maxDim {
			if a.err == nil {
				a.err = fmt.Errorf("its attribute %q is %d; every value must be from %d to %d", name, at.Ints, least, maxDim)
			}
			return absent
		}
		sizes[i] = int(v)
	}
	return sizes
}
