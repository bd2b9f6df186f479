package model

import (
	"errors"
	"fmt"
	"slices"

	"pascaline/internal/onnxpb"
)

// shape imports Shape, whose value is known: sizes do not vary.
func (im *importer) shape(n *onnxpb.NodeProto) (*value, error) {
	v, err := im.get(n, 0)
	switch {
	case err != nil:
		return nil, err
	case v == nil:
		return nil, errors.New("lacks input 0")
	}
	var dims []int
	if v.isConstant() {
		t, err := im.constant(n, 0, "input")
		if err != nil {
			return nil, err
		}
		dims = t.dims
	} else {
		dims = v.dims()
	}
	at := attributes{node: n}
	from, to := at.int("start", 0), at.int("end", int64(len(dims)))
	if at.err != nil {
		return nil, at.err
	}
	rank := int64(len(dims))
	if from < 0 {
		from += rank
	}
	if to < 0 {
		to += rank
	}
	from, to = min(max(from, 0), rank), min(max(to, 0), rank)
	t := &tensor{int: []int64{}}
	for i := from; i < to; i++ {
		t.int = append(t.int, int64(dims[i]))
	}
	t.dims = []int{len(t.int)}
	return &value{constant: t}, nil
}

// reshape imports Flatten, Reshape, Squeeze and Unsqueeze: another view of the same
// elements.
func (im *importer) reshape(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.view(n)
	if err != nil {
		return nil, err
	}
	dims, err := im.reshapedDims(n, x.dims())
	if err != nil {
		return nil, err
	}
	l, ok := x.layout.reshaped(dims)
	if !ok {
		return nil, fmt.Errorf("reshapes %s to %s across the order in which its elements lie; %s", shapeText(x.dims()), shapeText(dims), layoutRemedy)
	}
	return x.viewed(n, l), nil
}

// view returns input 0 of a node that only looks at it otherwise.
func (im *importer) view(n *onnxpb.NodeProto) (*value, error) {
	v, err := im.operand(n, 0)
	if err != nil {
		return nil, err
	}
	if v.pad != nil {
		return im.unpadded(im.resolved(v))
	}
	return v, nil
}

// transpose imports a transposition.
func (im *importer) transpose(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.view(n)
	if err != nil {
		return nil, err
	}
	perm, err := permutation(n, len(x.layout))
	if err != nil {
		return nil, err
	}
	return x.viewed(n, x.layout.transposed(perm)), nil
}

// permutation returns which axis goes where in a Transpose of rank axes.
func permutation(n *onnxpb.NodeProto, rank int) ([]int, error) {
	at := attributes{node: n}
	given := at.ints("perm")
	if at.err != nil {
		return nil, at.err
	}
	perm := make([]int, rank)
	if len(given) == 0 {
		for i := range perm {
			perm[i] = rank - 1 - i
		}
		return perm, nil
	}
	seen := make([]bool, rank)
	for i, p := range given {
		if len(given) != rank || p < 0 || p >= int64(rank) || seen[p] {
			return nil, fmt.Errorf("orders %d axes as %d", rank, given)
		}
		perm[i], seen[p] = int(p), true
	}
	return perm, nil
}

// reshapedDims returns the shape that Flatten, Reshape, Squeeze or Unsqueeze gives
// a tensor of shape dims.
func (im *importer) reshapedDims(n *onnxpb.NodeProto, dims []int) ([]int, error) {
	switch n.OpType {
	case "Flatten":
		at := attributes{node: n}
		axis := at.int("axis", 1)
		if axis < 0 {
			axis += int64(len(dims))
		}
		if at.err != nil || axis < 0 || axis > int64(len(dims)) {
			return nil, errors.Join(at.err, fmt.Errorf("flattens from axis %d of a tensor of shape %s", axis, shapeText(dims)))
		}
		return []int{count(dims[:axis]), count(dims[axis:])}, nil
	case "Reshape":
		return im.reshapeDims(n, dims)
	case "Squeeze":
		axes, err := im.axesOf(n, len(dims))
		if err != nil {
			return nil, err
		}
		kept := []int{}
		for i, d := range dims {
			if drop := axes[i] || len(axes) == 0 && d == 1; !drop {
				kept = append(kept, d)
			} else if d != 1 {
				return nil, fmt.Errorf("drops axis %d of a tensor of shape %s", i, shapeText(dims))
			}
		}
		return kept, nil
	}
	given, err := im.intsOf(n, "axes", 1)
	if err != nil {
		return nil, err
	}
	axes, err := im.axesOf(n, len(dims)+len(given))
	if err != nil {
		return nil, err
	}
	if len(axes) != len(given) || len(given) > maxRank {
		return nil, fmt.Errorf("names an axis twice: %d", given)
	}
	out := make([]int, 0, len(dims)+len(given))
	for i := range len(dims) + len(given) {
		if axes[i] {
			out = append(out, 1)
		} else {
			out, dims = append(out, dims[0]), dims[1:]
		}
	}
	return out, nil
}

// maxRank bounds the dimensions of a tensor.
const maxRank = 64

func (im *importer) reshapeDims(n *onnxpb.NodeProto, have []int) ([]int, error) {
	shape, err := im.intsOf(n, "shape", 1)
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	zeroIsZero := at.int("allowzero", 0)
	if at.err != nil {
		return nil, at.err
	}
	wrong := fmt.Errorf("reshapes %d elements of shape %s to %d", count(have), shapeText(have), shape)
	all, known, free := count(have), 1, -1
	if len(shape) > maxRank {
		return nil, wrong
	}
	dims := make([]int, len(shape))
	for i, d := range shape {
		switch {
		case d == 0 && zeroIsZero == 0 && i < len(have):
			dims[i] = have[i]
		case d == -1 && free < 0:
			dims[i], free = 1, i
		case d < 0 || d > int64(max(1, all)):
			return nil, wrong
		default:
			dims[i] = int(d)
		}
		if known *= dims[i]; known > max(1, all) {
			return nil, wrong
		}
	}
	if free >= 0 && known > 0 && all%known == 0 {
		dims[free] = all / known
		known = all
	}
	if known != all {
		return nil, wrong
	}
	return dims, nil
}

// count returns the number of elements of a tensor of shape dims.
func count(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// axesOf returns the axes that n names, of rank.
func (im *importer) axesOf(n *onnxpb.NodeProto, rank int) (map[int]bool, error) {
	given, err := im.intsOf(n, "axes", 1)
	if err != nil {
		return nil, err
	}
	axes := map[int]bool{}
	for _, a := range given {
		if a < 0 {
			a += int64(rank)
		}
		if a < 0 || a >= int64(rank) {
			return nil, fmt.Errorf("names the axes %d of a tensor of %d dimensions", given, rank)
		}
		axes[int(a)] = true
	}
	return axes, nil
}

// axisOf returns the axis that an attribute of n names, of rank.
func axisOf(n *onnxpb.NodeProto, name string, absent int64, rank int) (int, error) {
	at := attributes{node: n}
	axis := at.int(name, absent)
	if at.err != nil {
		return 0, at.err
	}
	if axis < 0 {
		axis += int64(rank)
	}
	if axis < 0 || axis >= int64(rank) {
		return 0, fmt.Errorf("names axis %d of a tensor of %d dimensions", axis, rank)
	}
	return int(axis), nil
}

// intsOf returns the integers that newer operator sets give as input i and
// older ones as an attribute; none if both are absent.
func (im *importer) intsOf(n *onnxpb.NodeProto, name string, i int) ([]int64, error) {
	t, err := im.constant(n, i, name)
	if err != nil {
		return nil, err
	}
	if t == nil {
		at := attributes{node: n}
		return slices.Clone(at.ints(name)), at.err
	}
	v, err := t.ints()
	if err != nil {
		return nil, fmt.Errorf("its %s %q %w", name, n.Input[i], err)
	}
	return slices.Clone(v), nil
}
