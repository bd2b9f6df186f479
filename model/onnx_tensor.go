package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"pascaline/internal/onnxpb"
)

// tensor is a constant of the network, in row-major order. Exactly one of the
// slices holds its elements; none does when it is empty.
type tensor struct {
	dims   []int
	float  []float32
	double []float64
	int    []int64
}

// len returns the number of elements.
func (t *tensor) len() int { return len(t.float) + len(t.double) + len(t.int) }

// at returns element i.
func (t *tensor) at(i int) float64 {
	switch {
	case t.float != nil:
		return float64(t.float[i])
	case t.double != nil:
		return t.double[i]
	}
	return float64(t.int[i])
}

// ints returns the elements of a tensor of integers.
func (t *tensor) ints() ([]int64, error) {
	if t.int == nil && t.len() > 0 {
		return nil, errors.New("takes integers, but they are real numbers")
	}
	return t.int, nil
}

// uniform returns the value that all elements share, if they do.
func (t *tensor) uniform() (float64, bool) {
	if t.len() == 0 {
		return 0, false
	}
	first := t.at(0)
	for i := 1; i < t.len(); i++ {
		if t.at(i) != first {
			return 0, false
		}
	}
	return first, true
}

// decodeTensor checks p's size against its data before it takes any memory.
func decodeTensor(p *onnxpb.TensorProto) (*tensor, error) {
	if p.DataLocation == onnxpb.TensorProto_EXTERNAL || len(p.ExternalData) > 0 {
		return nil, errors.New("its values are in another file, which was not read; export the model again with the weights inside" +
			" (torch.onnx.export with external_data=False, or onnx.save with save_as_external_data=False)")
	}
	n := 1
	dims := make([]int, 0, len(p.Dims))
	for _, d := range p.Dims {
		if d < 0 || d > maxTotal {
			return nil, fmt.Errorf("its shape is %d; every dimension must be from 0 to %d", p.Dims, maxTotal)
		}
		if n *= int(d); n > maxTotal {
			return nil, fmt.Errorf("its shape %d has more than %d elements", p.Dims, maxTotal)
		}
		dims = append(dims, int(d))
	}
	t := &tensor{dims: dims}
	var have int
	size := 4
	switch p.DataType {
	case onnxpb.TensorProto_FLOAT:
		have = len(p.FloatData)
	case onnxpb.TensorProto_DOUBLE:
		have, size = len(p.DoubleData), 8
	case onnxpb.TensorProto_INT64:
		have, size = len(p.Int64Data), 8
	case onnxpb.TensorProto_INT32:
		have = len(p.Int32Data)
	case onnxpb.TensorProto_BOOL:
		have, size = len(p.Int32Data), 1
	case onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_BFLOAT16:
		return nil, errors.New("its values have 16 bits; export the model in float32 (model.float())")
	default:
		return nil, fmt.Errorf("its type is %v; the import reads float32, float64, int64, int32 and bool", p.DataType)
	}
	if raw := len(p.RawData); raw > 0 {
		if have = raw / size; raw%size != 0 {
			return nil, fmt.Errorf("its %d bytes are no whole number of values of %d bytes", raw, size)
		}
	}
	if have != n {
		return nil, fmt.Errorf("it has %d values, but its shape %d has %d: the file is damaged", have, p.Dims, n)
	}
	if n == 0 {
		return t, nil
	}
	switch p.DataType {
	case onnxpb.TensorProto_FLOAT:
		if t.float = p.FloatData; len(p.RawData) > 0 {
			t.float = make([]float32, n)
			for i := range t.float {
				t.float[i] = math.Float32frombits(binary.LittleEndian.Uint32(p.RawData[4*i:]))
			}
		}
	case onnxpb.TensorProto_DOUBLE:
		if t.double = p.DoubleData; len(p.RawData) > 0 {
			t.double = make([]float64, n)
			for i := range t.double {
				t.double[i] = math.Float64frombits(binary.LittleEndian.Uint64(p.RawData[8*i:]))
			}
		}
	case onnxpb.TensorProto_INT32, onnxpb.TensorProto_BOOL:
		t.int = make([]int64, n)
		for i := range t.int {
			switch {
			case len(p.RawData) == 0:
				t.int[i] = int64(p.Int32Data[i])
			case size == 1:
				t.int[i] = int64(p.RawData[i])
			default:
				t.int[i] = int64(int32(binary.LittleEndian.Uint32(p.RawData[4*i:])))
			}
		}
	default:
		if t.int = p.Int64Data; len(p.RawData) > 0 {
			t.int = make([]int64, n)
			for i := range t.int {
				t.int[i] = int64(binary.LittleEndian.Uint64(p.RawData[8*i:]))
			}
		}
	}
	for i := range n {
		if v := t.at(i); math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("value %d is %v; train the model again, or export a sound checkpoint", i, v)
		}
	}
	return t, nil
}
