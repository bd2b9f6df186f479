package model

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pascaline/internal/onnxpb"
)

func (im *importer) constantConcat(n *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	first := t[0]
	for i, b := range t {
		if b == nil || len(b.dims) != len(first.dims) || len(b.dims) == 0 {
			return nil, fmt.Errorf("joins input %d to one of shape %s, which it does not fit", i, shapeText(first.dims))
		}
	}
	along, err := axisOf(n, "axis", 0, len(first.dims))
	if err != nil {
		return nil, err
	}
	dims := slices.Clone(first.dims)
	dims[along] = 0
	var ends []int
	for _, b := range t {
		for k := range dims {
			if k != along && b.dims[k] != dims[k] {
				return nil, fmt.Errorf("joins constants of shapes %s and %s, which do not fit", shapeText(first.dims), shapeText(b.dims))
			}
		}
		dims[along] += b.dims[along]
		ends = append(ends, dims[along])
	}
	size, err := im.room(dims)
	if err != nil {
		return nil, err
	}
	out := &tensor{dims: dims, double: make([]float64, size)}
	whole := true
	for _, b := range t {
		whole = whole && b.isInt()
	}
	for i := range size {
		at := indices(i, dims)
		k := 0
		for at[along] >= ends[k] {
			k++
		}
		at[along] -= ends[k] - t[k].dims[along]
		out.double[i] = t[k].at(place(at, t[k].dims))
	}
	return out.checked(whole)
}

func (im *importer) constantOfShape(n *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	dims, err := sizesOf(t[0])
	if err != nil {
		return nil, err
	}
	fill := &tensor{float: []float32{0}}
	at := attributes{node: n}
	if a := at.find("value", onnxpb.AttributeProto_TENSOR); a != nil && a.T != nil {
		if fill, err = decodeTensor(a.T); err != nil {
			return nil, err
		}
	}
	if at.err != nil || fill.len() != 1 {
		return nil, errors.Join(at.err, fmt.Errorf("fills with %d values instead of one", fill.len()))
	}
	return im.pick(fill, dims, func(int) int { return 0 })
}

// sizesOf reads a shape.
func sizesOf(t *tensor) ([]int, error) {
	v, err := t.ints()
	if err != nil {
		return nil, err
	}
	dims := make([]int, len(v))
	for i, d := range v {
		if d < 0 || d > maxTotal {
			return nil, fmt.Errorf("makes a tensor of shape %d", v)
		}
		dims[i] = int(d)
	}
	return dims, nil
}

func (im *importer) constantExpand(_ *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	if len(t) < 2 || t[1] == nil {
		return nil, errors.New("lacks its shape")
	}
	to, err := sizesOf(t[1])
	if err != nil {
		return nil, err
	}
	dims, err := broadcast(t[0].dims, to)
	if err != nil {
		return nil, err
	}
	return im.pick(t[0], dims, func(i int) int { return place(indices(i, dims), t[0].dims) })
}

func (im *importer) constantRange(_ *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	if len(t) != 3 || t[1] == nil || t[2] == nil || t[0].len()*t[1].len()*t[2].len() != 1 || t[2].at(0) == 0 {
		return nil, errors.New("takes a start, a limit and a step that is not zero")
	}
	start, limit, delta := t[0].at(0), t[1].at(0), t[2].at(0)
	count := math.Ceil((limit - start) / delta)
	if count > maxTotal {
		return nil, fmt.Errorf("has %v elements", count)
	}
	size, err := im.room([]int{int(max(0, count))})
	if err != nil {
		return nil, err
	}
	out := &tensor{dims: []int{size}, double: make([]float64, size)}
	for i := range out.double {
		out.double[i] = start + float64(i)*delta
	}
	return out.checked(t[0].isInt() && t[2].isInt())
}

// constantProduct multiplies all elements: the number of elements of a shape.
func (im *importer) constantProduct(n *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	at := attributes{node: n}
	keep := at.int("keepdims", 1)
	if at.err != nil {
		return nil, at.err
	}
	if len(t[0].dims) > 1 {
		return nil, fmt.Errorf("multiplies the elements of a constant of shape %s; only those of a list can be", shapeText(t[0].dims))
	}
	out := &tensor{double: []float64{1}}
	if keep != 0 {
		out.dims = []int{1}
	}
	for i := range t[0].len() {
		out.double[0] *= t[0].at(i)
	}
	return out.checked(t[0].isInt())
}

// constantReshape imports Reshape, Squeeze and Unsqueeze.
func (im *importer) constantReshape(n *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	dims, err := im.reshapedDims(n, t[0].dims)
	if err != nil {
		return nil, err
	}
	out := *t[0]
	out.dims = dims
	return &out, nil
}

func (im *importer) constantTranspose(n *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	perm, err := permutation(n, len(t[0].dims))
	if err != nil {
		return nil, err
	}
	dims := make([]int, len(perm))
	for i, p := range perm {
		dims[i] = t[0].dims[p]
	}
	at := make([]int, len(perm))
	return im.pick(t[0], dims, func(i int) int {
		for k, j := range indices(i, dims) {
			at[perm[k]] = j
		}
		return place(at, t[0].dims)
	})
}

func (im *importer) constantGather(n *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	if len(t) < 2 || t[1] == nil {
		return nil, errors.New("lacks its indices")
	}
	along, err := axisOf(n, "axis", 0, len(t[0].dims))
	if err != nil {
		return nil, err
	}
	which, err := picksOf(t[1], t[0].dims[along])
	if err != nil {
		return nil, err
	}
	dims := slices.Concat(t[0].dims[:along], t[1].dims, t[0].dims[along+1:])
	inner := count(t[0].dims[along+1:])
	return im.pick(t[0], dims, func(i int) int {
		outer, k := i/inner/len(which), i/inner%len(which)
		return (outer*t[0].dims[along]+which[k])*inner + i%inner
	})
}

// picksOf reads indices of n elements, of which negative ones count from the end.
func picksOf(t *tensor, n int) ([]int, error) {
	v, err := t.ints()
	if err != nil {
		return nil, fmt.Errorf("its indices: %w", err)
	}
	out := make([]int, len(v))
	for k, i := range v {
		if i < 0 {
			i += int64(n)
		}
		if i < 0 || i >= int64(n) {
			return nil, fmt.Errorf("picks element %d of %d", v[k], n)
		}
		out[k] = int(i)
	}
	return out, nil
}

func (im *importer) constantSlice(n *onnxpb.NodeProto, t []*tensor) (*tensor, error) {
	ranges, err := im.slicesOf(n, t[0].dims)
	if err != nil {
		return nil, err
	}
	dims := make([]int, len(ranges))
	for k, r := range ranges {
		dims[k] = r.count
	}
	return im.pick(t[0], dims, func(i int) int {
		at := indices(i, dims)
		for k, r := range ranges {
			at[k] = r.start + at[k]*r.step
		}
		return place(at, t[0].dims)
	})
}
