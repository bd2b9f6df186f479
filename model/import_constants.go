package model

import (
	"errors"
	"fmt"
	"math"

	"pascaline/internal/onnxpb"
)

// constantOperators computes constants from constants: what exporters leave in a
// file of sizes, paddings and the spelling of numbers. Inputs left out are nil.
var constantOperators = map[string]func(*importer, *onnxpb.NodeProto, []*tensor) (*tensor, error){
	"Add":             (*importer).constantArithmetic,
	"Cast":            (*importer).constantCast,
	"Concat":          (*importer).constantConcat,
	"ConstantOfShape": (*importer).constantOfShape,
	"Div":             (*importer).constantArithmetic,
	"Expand":          (*importer).constantExpand,
	"Gather":          (*importer).constantGather,
	"Max":             (*importer).constantArithmetic,
	"Min":             (*importer).constantArithmetic,
	"Mul":             (*importer).constantArithmetic,
	"Neg":             (*importer).constantFunction,
	"Pow":             (*importer).constantArithmetic,
	"Range":           (*importer).constantRange,
	"Reciprocal":      (*importer).constantFunction,
	"ReduceProd":      (*importer).constantProduct,
	"Reshape":         (*importer).constantReshape,
	"Slice":           (*importer).constantSlice,
	"Sqrt":            (*importer).constantFunction,
	"Squeeze":         (*importer).constantReshape,
	"Sub":             (*importer).constantArithmetic,
	"Sum":             (*importer).constantArithmetic,
	"Transpose":       (*importer).constantTranspose,
	"Unsqueeze":       (*importer).constantReshape,
}

// constants returns the inputs of n if all of them are constants.
func (im *importer) constants(n *onnxpb.NodeProto) (t []*tensor, ok bool, err error) {
	values := make([]*value, len(n.Input))
	for i := range n.Input {
		if values[i], err = im.get(n, i); err != nil {
			return nil, false, err
		}
		if values[i] != nil && !values[i].isConstant() {
			return nil, false, nil
		}
	}
	t = make([]*tensor, len(n.Input))
	for i := range t {
		if t[i], err = im.constant(n, i, "input"); err != nil {
			return nil, false, err
		}
	}
	if len(t) == 0 || t[0] == nil {
		return nil, false, errors.New("lacks input 0")
	}
	return t, true, nil
}

// isInt reports whether t holds integers, as far as one can tell.
func (t *tensor) isInt() bool { return t.int != nil || t.len() == 0 }

// pick returns the tensor of shape dims whose element i is t's element from(i).
func (im *importer) pick(t *tensor, dims []int, from func(i int) int) (*tensor, error) {
	n, err := im.room(dims)
	if err != nil {
		return nil, err
	}
	out := &tensor{dims: dims}
	switch {
	case n == 0:
	case t.float != nil:
		out.float = picked(t.float, n, from)
	case t.double != nil:
		out.double = picked(t.double, n, from)
	default:
		out.int = picked(t.int, n, from)
	}
	return out, nil
}

func picked[T any](v []T, n int, from func(i int) int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = v[from(i)]
	}
	return out
}

// room returns the number of elements of a constant of shape dims that is about to
// be made.
func (im *importer) room(dims []int) (int, error) {
	n := 1
	for _, d := range dims {
		if n *= d; n > maxTotal {
			return 0, fmt.Errorf("computes a constant of shape %s; at most %d elements are taken", shapeText(dims), maxTotal)
		}
	}
	return n, im.charge(n)
}

// indices splits the index of an element of shape dims.
func indices(i int, dims []int) []int {
	at := make([]int, len(dims))
	for k := len(dims) - 1; k >= 0; k-- {
		at[k], i = i%dims[k], i/dims[k]
	}
	return at
}

// place is the index of an element of shape dims; a dimension of 1, and missing
// ones in front, stretch as NumPy does.
func place(at, dims []int) int {
	i := 0
	for k, d := range dims {
		j := at[len(at)-len(dims)+k]
		if d == 1 {
			j = 0
		}
		i = i*d + j
	}
	return i
}

// broadcast returns the shape of what two tensors are combined to.
func broadcast(a, b []int) ([]int, error) {
	out := make([]int, max(len(a), len(b)))
	for i := range out {
		x, y := 1, 1
		if k := i - len(out) + len(a); k >= 0 {
			x = a[k]
		}
		if k := i - len(out) + len(b); k >= 0 {
			y = b[k]
		}
		if x != y && x != 1 && y != 1 {
			return nil, fmt.Errorf("combines constants of shapes %s and %s, which do not fit", shapeText(a), shapeText(b))
		}
		if out[i] = x; x == 1 {
			out[i] = y
		}
	}
	return out, nil
}

// constantArithmetic combines constants, from the left.
func (im *importer) constantArithmetic(n *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	out := t[0]
	for i, b := range t[1:] {
		if b == nil {
			return nil, fmt.Errorf("lacks input %d", i+1)
		}
		var err error
		if out, err = im.combine(n.OpType, out, b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (im *importer) combine(op string, a, b *tensor) (*tensor, error) {
	dims, err := broadcast(a.dims, b.dims)
	if err != nil {
		return nil, err
	}
	size, err := im.room(dims)
	if err != nil {
		return nil, err
	}
	out := &tensor{dims: dims, double: make([]float64, size)}
	for i := range size {
		at := indices(i, dims)
		x, y := a.at(place(at, a.dims)), b.at(place(at, b.dims))
		switch op {
		case "Add", "Sum":
			out.double[i] = x + y
		case "Sub":
			out.double[i] = x - y
		case "Mul":
			out.double[i] = x * y
		case "Div":
			out.double[i] = x / y
		case "Pow":
			out.double[i] = math.Pow(x, y)
		case "Min":
			out.double[i] = min(x, y)
		case "Max":
			out.double[i] = max(x, y)
		}
	}
	return out.checked(a.isInt() && b.isInt())
}

// constantFunction applies a function to every element.
func (im *importer) constantFunction(n *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	size, err := im.room(t[0].dims)
	if err != nil {
		return nil, err
	}
	out := &tensor{dims: t[0].dims, double: make([]float64, size)}
	for i := range size {
		switch x := t[0].at(i); n.OpType {
		case "Neg":
			out.double[i] = -x
		case "Sqrt":
			out.double[i] = math.Sqrt(x)
		case "Reciprocal":
			out.double[i] = 1 / x
		}
	}
	return out.checked(t[0].isInt())
}

// checked makes computed elements whole, if they are to be integers, and refuses
// those that are no numbers.
func (t *tensor) checked(whole bool) (*tensor, error) {
	for _, v := range t.double {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("its value is %v", v)
		}
	}
	if !whole {
		return t, nil
	}
	t.int = make([]int64, len(t.double))
	for i, v := range t.double {
		t.int[i] = int64(v)
	}
	t.double = nil
	return t, nil
}

func (im *importer) constantCast(n *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	to, err := castTo(n)
	if err != nil {
		return nil, err
	}
	floating := to == onnxpb.TensorProto_FLOAT || to == onnxpb.TensorProto_DOUBLE
	whole := to == onnxpb.TensorProto_INT64 || to == onnxpb.TensorProto_INT32 || to == onnxpb.TensorProto_BOOL
	switch {
	case !floating && !whole:
		return nil, fmt.Errorf("converts to %v; the network must compute in float32 throughout", to)
	case whole == t[0].isInt() || t[0].len() == 0:
		return t[0], nil
	}
	size, err := im.room(t[0].dims)
	if err != nil {
		return nil, err
	}
	out := &tensor{dims: t[0].dims, double: make([]float64, size)}
	for i := range out.double {
		out.double[i] = t[0].at(i)
	}
	return out.checked(whole)
}

// castTo returns the type that a Cast converts to.
func castTo(n *onnxpb.NodeProto) (onnxpb.TensorProto_DataType, error) {
	at := attributes{node: n}
	return onnxpb.TensorProto_DataType(at.int("to", 0)), at.err
}
