package model

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pascaline/internal/onnxpb"
	"pascaline/ring"
)

// biasOf returns the k elements of a bias times factor; a bias of one element,
// or none, serves for all.
func biasOf(t *tensor, k int, factor float64) ([]float32, error) {
	bias := make([]float32, k)
	if t == nil {
		return bias, nil
	}
	if t.len() != 1 && (t.len() != k || len(t.dims) == 0 || t.dims[len(t.dims)-1] != k) {
		return nil, fmt.Errorf("its bias of shape %s is not one for %d outputs", shapeText(t.dims), k)
	}
	for i := range bias {
		bias[i] = float32(factor * t.at(i%t.len()))
	}
	return bias, nil
}

// matrix is a constant factor of a product.
type matrix struct {
	rows, columns int
	at            func(row, column int) float64
}

// matrixOf returns a constant of two dimensions, and perhaps dimensions of 1 in
// front, as a matrix times alpha.
func matrixOf(t *tensor, alpha float64) (*matrix, error) {
	dims := t.dims
	for len(dims) > 2 && dims[0] == 1 {
		dims = dims[1:]
	}
	if len(dims) != 2 || t.len() == 0 {
		return nil, fmt.Errorf("multiplies by a tensor of shape %s; only matrices are supported", shapeText(t.dims))
	}
	return &matrix{dims[0], dims[1], func(r, c int) float64 { return alpha * t.at(r*dims[1]+c) }}, nil
}

func (m *matrix) transposed() *matrix {
	return &matrix{m.columns, m.rows, func(r, c int) float64 { return m.at(c, r) }}
}

// gemm imports Gemm: alpha·A·B + beta·C, either factor transposed or not.
func (im *importer) gemm(n *onnxpb.NodeProto) (*value, error) {
	at := attributes{node: n}
	alpha, beta := at.float("alpha", 1), at.float("beta", 1)
	trans := [2]bool{at.int("transA", 0) != 0, at.int("transB", 0) != 0}
	if at.err != nil {
		return nil, at.err
	}
	c, err := im.get(n, 2)
	if err != nil {
		return nil, err
	}
	var bias *tensor
	if c != nil && c.isConstant() {
		if bias, err = im.constant(n, 2, "bias"); err != nil {
			return nil, err
		}
		c = nil
	}
	out, err := im.factors(n, trans, alpha, bias, beta)
	if err != nil || c == nil {
		return out, err
	}
	if c, err = im.unpadded(im.resolved(c)); err != nil {
		return nil, err
	}
	if c, err = elementwise(n, c, c.poly.times(polynomial{beta}), nil); err != nil {
		return nil, err
	}
	return im.binary(n, "Add", out, c)
}

func (im *importer) matMul(n *onnxpb.NodeProto) (*value, error) {
	return im.factors(n, [2]bool{}, 1, nil, 0)
}

// factors multiplies inputs 0 and 1, of which one is a constant.
func (im *importer) factors(n *onnxpb.NodeProto, trans [2]bool, alpha float64, bias *tensor, beta float64) (*value, error) {
	for i := range trans { // which is the constant
		v, err := im.get(n, 1-i)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, errors.New("lacks its matrix")
		}
		if !v.isConstant() {
			continue
		}
		t, err := im.constant(n, 1-i, "matrix")
		if err != nil {
			return nil, err
		}
		m, err := matrixOf(t, alpha)
		if err != nil {
			return nil, err
		}
		if trans[1-i] {
			m = m.transposed()
		}
		if i == 1 {
			m = m.transposed() // A·x is the transpose of xᵀ·Aᵀ
		}
		x, err := im.dynamic(n, i)
		if err != nil {
			return nil, err
		}
		if len(x.layout) == 1 { // a row or a column, as is needed
			x = x.viewed(n, x.layout.ranked(2))
			out, err := im.product(n, x, m, false, bias, beta)
			if err == nil {
				out.layout = out.layout[1:].ranked(len(t.dims) - 1)
			}
			return out, err
		}
		if len(t.dims) > len(x.layout) {
			x = x.viewed(n, x.layout.ranked(len(t.dims)))
		}
		if trans[i] != (i == 1) {
			x = x.viewed(n, x.layout.swapped())
		}
		return im.product(n, x, m, i == 1, bias, beta)
	}
	return nil, fmt.Errorf("multiplies two tensors of the network; one of them must be a constant: attention cannot be computed")
}

// swapped exchanges the last two axes, if there are two.
func (l layout) swapped() layout {
	if len(l) < 2 {
		return l
	}
	out := slices.Clone(l)
	out[len(l)-1], out[len(l)-2] = l[len(l)-2], l[len(l)-1]
	return out
}

// product multiplies the vectors along the last axis of x by m, adds beta times the
// bias, and transposes the result if asked to.
func (im *importer) product(n *onnxpb.NodeProto, x *value, m *matrix, transpose bool, bias *tensor, beta float64) (*value, error) {
	along := len(x.layout) - 1
	if rows := size(x.layout[along]); rows != m.rows {
		return nil, fmt.Errorf("its matrix takes %d elements, but its input, of shape %s, has %d", m.rows, shapeText(x.dims()), rows)
	}
	p, err := im.pixels(x, along)
	if err != nil {
		return nil, err
	}
	shape := x.pixelShape(m.rows)
	s := ring.ConvShape{H: shape.H, W: shape.W, C: m.rows, K: m.columns, KH: 1, KW: 1, StrideH: 1, StrideW: 1}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if err := im.charge(s.WeightLen()); err != nil {
		return nil, err
	}
	in, err := im.shaped(x, shape)
	if err != nil {
		return nil, err
	}
	own := bias
	if transpose || bias != nil && bias.len() != 1 && bias.len() != m.columns {
		own = nil // added behind
	}
	b, err := biasOf(own, m.columns, beta)
	if err != nil {
		return nil, err
	}
	weights := make([]float32, s.WeightLen())
	for i, row := range p.order {
		for k := range m.columns {
			weights[row*m.columns+k] = float32(m.at(i, k))
		}
	}
	out := im.result(n, linearStep(in, s, weights, b))
	if out.layout = p.layout(along, m.columns); transpose {
		out.layout = out.layout.swapped()
	}
	if own != bias {
		if bias, err = im.combine("Mul", bias, &tensor{double: []float64{beta}}); err != nil {
			return nil, err
		}
		return im.withConstant(n, "Add", out, bias)
	}
	return out, nil
}

func (im *importer) batchNorm(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.dynamic(n, 0)
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	epsilon, training, spatial := at.float("epsilon", 1e-5), at.int("training_mode", 0), at.int("spatial", 1)
	if at.err != nil {
		return nil, at.err
	}
	if training != 0 || spatial != 1 {
		return nil, errors.New("normalises by the batch at hand; export the model for inference (model.eval())")
	}
	dims := x.dims()
	if len(dims) < 2 {
		return nil, fmt.Errorf("normalises a tensor of shape %s; it must be N×C or N×C×H×W", shapeText(dims))
	}
	var p [4]*tensor
	for i, what := range []string{"scale", "offset", "mean", "variance"} {
		if p[i], err = im.constant(n, i+1, what); err != nil {
			return nil, err
		}
		if p[i] == nil || p[i].len() != dims[1] {
			return nil, fmt.Errorf("its %s has not the %d values that a tensor of shape %s needs", what, dims[1], shapeText(dims))
		}
	}
	if err := im.charge(2 * dims[1]); err != nil {
		return nil, err
	}
	each := append([]int{dims[1]}, slices.Repeat([]int{1}, len(dims)-2)...)
	scale, shift := &tensor{dims: each, double: make([]float64, dims[1])}, &tensor{dims: each, double: make([]float64, dims[1])}
	for c := range dims[1] {
		deviation := math.Sqrt(p[3].at(c) + epsilon)
		if !(deviation > 0) { // also when it is no number
			return nil, fmt.Errorf("the variance of channel %d is %v", c, p[3].at(c))
		}
		scale.double[c] = p[0].at(c) / deviation
		shift.double[c] = p[1].at(c) - p[2].at(c)*scale.double[c]
	}
	a, err := im.operands(x, scale)
	if err != nil {
		return nil, err
	}
	b, err := im.operands(x, shift)
	if err != nil {
		return nil, err
	}
	out, err := im.affine(n, x, a, b)
	if err == nil {
		out.base.weights = true
	}
	return out, err
}
