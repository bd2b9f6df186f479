package model

import (
	"errors"
	"fmt"
	"strings"

	"pascaline/internal/onnxpb"
)

// operators maps an operator to what imports it.
var operators = map[string]func(*importer, *onnxpb.NodeProto) (*value, error){
	"Add":                (*importer).arithmetic,
	"AveragePool":        (*importer).averagePool,
	"BatchNormalization": (*importer).batchNorm,
	"Cast":               (*importer).cast,
	"Concat":             (*importer).concat,
	"Constant":           (*importer).constantNode,
	"Conv":               (*importer).conv,
	"Div":                (*importer).arithmetic,
	"Dropout":            (*importer).same, // inference drops nothing
	"Flatten":            (*importer).flatten,
	"Gather":             (*importer).gather,
	"Gemm":               (*importer).gemm,
	"GlobalAveragePool":  (*importer).globalAveragePool,
	"Identity":           (*importer).same,
	"MatMul":             (*importer).matMul,
	"Mul":                (*importer).arithmetic,
	"Neg":                (*importer).negate,
	"Pad":                (*importer).padTensor,
	"Pow":                (*importer).arithmetic,
	"ReduceMean":         (*importer).reduceMean,
	"Reshape":            (*importer).reshape,
	"Shape":              (*importer).shape,
	"Squeeze":            (*importer).squeeze,
	"Sub":                (*importer).arithmetic,
	"Transpose":          (*importer).transpose,
	"Unsqueeze":          (*importer).unsqueeze,
}

// What to use instead of an operator.
const (
	polynomialRemedy = "train the network with a polynomial activation of degree 2 to 8 in its place," +
		" say (322 + 512x + 160x² − 3x⁴)/1024"
	poolRemedy    = "use average pooling (AvgPool2d)"
	normRemedy    = "use batch normalisation (BatchNorm2d) before the activation"
	dropRemedy    = "leave it out of the exported network and let the client apply it to the output: the order of the classes does not change"
	decideRemedy  = "leave it out of the exported network: the client decides on the output"
	plainRemedy   = "export the float32 network before quantisation"
	scaleRemedy   = "use a convolution with a stride, or average pooling, and no upsampling"
	branchRemedy  = "join branches with an addition instead"
	controlRemedy = "export the network without control flow (torch.onnx.export of the traced model)"
	layoutRemedy  = "keep images as N×C×H×W throughout, and flatten once before the linear layers"
)

// remedies says what to use instead of the operators that networks most often
// hold and a polynomial protocol cannot compute, or does not.
var remedies = func() map[string]string {
	m := map[string]string{}
	for remedy, list := range map[string]string{
		polynomialRemedy: "Relu LeakyRelu PRelu Elu Selu Celu Gelu Erf Sigmoid HardSigmoid HardSwish Swish Silu Mish Tanh" +
			" Softplus Softsign Clip ThresholdedRelu Shrink Sin Cos Exp Log Abs Sqrt Reciprocal Sign Max Min Where",
		poolRemedy:    "MaxPool GlobalMaxPool LpPool GlobalLpPool MaxRoiPool ReduceMax",
		normRemedy:    "LayerNormalization InstanceNormalization GroupNormalization LRN LpNormalization MeanVarianceNormalization RMSNormalization",
		dropRemedy:    "Softmax LogSoftmax",
		decideRemedy:  "ArgMax ArgMin TopK Hardmax",
		plainRemedy:   "QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger",
		scaleRemedy:   "ConvTranspose Resize Upsample DepthToSpace SpaceToDepth GridSample",
		branchRemedy:  "Split Slice",
		controlRemedy: "If Loop Scan SequenceConstruct SequenceAt LSTM GRU RNN",
		layoutRemedy:  "Expand Tile Einsum ConstantOfShape ReduceSum",
	} {
		for _, op := range strings.Fields(list) {
			m[op] = remedy
		}
	}
	return m
}()

// refuseUnknown reports every operator that the import does not know, with the
// first node of each, so that a network can be changed in one go.
func refuseUnknown(nodes []*onnxpb.NodeProto, output string) error {
	type finding struct {
		first *onnxpb.NodeProto
		count int
	}
	var found []*finding
	seen := map[string]*finding{}
	for _, n := range nodes {
		own := n.Domain == "" || n.Domain == "ai.onnx"
		if own && operators[n.OpType] != nil {
			continue
		}
		key := n.Domain + "/" + n.OpType
		if seen[key] == nil {
			seen[key] = &finding{first: n}
			found = append(found, seen[key])
		}
		seen[key].count++
	}
	var all []error
	const shown = 16
	for _, f := range found[:min(shown, len(found))] {
		n := f.first
		which := describe(n)
		if f.count > 1 {
			which += fmt.Sprintf(" and %d more like it", f.count-1)
		}
		remedy := remedies[n.OpType]
		switch {
		case n.Domain != "" && n.Domain != "ai.onnx":
			remedy = fmt.Sprintf("it belongs to the operators of %q; export the network with ONNX's own operators only"+
				" (torch.onnx.export with dynamo=False)", n.Domain)
		case remedy == dropRemedy && n.Output[0] != output:
			remedy = "attention cannot be computed; use convolutions and linear layers with " + polynomialRemedy[len("train the network with "):]
		case remedy == "":
			remedy = "use convolutions, linear layers, average pooling, additions and polynomial activations"
		}
		all = append(all, fmt.Errorf("%s is not supported: %s", which, remedy))
	}
	if len(found) > shown {
		all = append(all, fmt.Errorf("%d more operators are not supported", len(found)-shown))
	}
	return errors.Join(all...)
}

// same imports what changes nothing.
func (im *importer) same(n *onnxpb.NodeProto) (*value, error) {
	v, err := im.get(n, 0)
	if err == nil && v == nil {
		err = errors.New("lacks input 0")
	}
	return v, err
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

// shape, gather and concat compute the shapes that PyTorch writes for
// x.view(x.size(0), -1).
func (im *importer) shape(n *onnxpb.NodeProto) (*value, error) {
	_, dims, err := im.shaped(n)
	if err != nil {
		return nil, err
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

func (im *importer) gather(n *onnxpb.NodeProto) (*value, error) {
	if v, err := im.get(n, 0); err != nil {
		return nil, err
	} else if v != nil && !v.isConstant() {
		return nil, fmt.Errorf("picks parts of a tensor of the network, which is not supported: %s", branchRemedy)
	}
	data, err := im.constant(n, 0, "data")
	if err != nil {
		return nil, err
	}
	which, err := im.constant(n, 1, "indices")
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	axis := at.int("axis", 0)
	if at.err != nil {
		return nil, at.err
	}
	if data == nil || which == nil || data.int == nil || which.int == nil || len(data.dims) != 1 || len(which.dims) > 1 ||
		axis != 0 || which.len() > maxFolded {
		return nil, errors.New("is supported for shapes only; export the model with constant folding (do_constant_folding=True)")
	}
	out := &tensor{dims: which.dims}
	for _, i := range which.int {
		if i < 0 {
			i += int64(data.len())
		}
		if i < 0 || i >= int64(data.len()) {
			return nil, fmt.Errorf("picks element %d of %d", i, data.len())
		}
		out.int = append(out.int, data.int[i])
	}
	return &value{constant: out}, im.charge(out.len())
}

func (im *importer) concat(n *onnxpb.NodeProto) (*value, error) {
	out := &tensor{int: []int64{}}
	for i := range n.Input {
		v, err := im.get(n, i)
		if err != nil {
			return nil, err
		}
		if v != nil && !v.isConstant() {
			return nil, fmt.Errorf("joins tensors of the network, which is not supported: %s", branchRemedy)
		}
		t, err := im.constant(n, i, "part")
		if err != nil {
			return nil, err
		}
		if t == nil || t.int == nil || len(t.dims) != 1 || t.len() > maxFolded {
			return nil, errors.New("is supported for shapes only; export the model with constant folding (do_constant_folding=True)")
		}
		if err := im.charge(t.len()); err != nil {
			return nil, err
		}
		out.int = append(out.int, t.int...)
	}
	out.dims = []int{len(out.int)}
	return &value{constant: out}, nil
}

// transpose imports the transposition of a constant matrix.
func (im *importer) transpose(n *onnxpb.NodeProto) (*value, error) {
	if v, err := im.get(n, 0); err != nil {
		return nil, err
	} else if v != nil && !v.isConstant() {
		return nil, fmt.Errorf("moves the axes of a tensor of the network, which is not supported: %s", layoutRemedy)
	}
	t, err := im.constant(n, 0, "matrix")
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	axes := at.ints("perm")
	if at.err != nil {
		return nil, at.err
	}
	if t == nil || len(t.dims) != 2 || len(axes) != 0 && (len(axes) != 2 || axes[0] != 1 || axes[1] != 0) {
		return nil, errors.New("is supported for matrices only; export the model with constant folding (do_constant_folding=True)")
	}
	if err := im.charge(t.len()); err != nil {
		return nil, err
	}
	rows, columns := t.dims[0], t.dims[1]
	out := &tensor{dims: []int{columns, rows}}
	for i := range t.len() {
		from := i%rows*columns + i/rows
		switch {
		case t.float != nil:
			out.float = append(out.float, t.float[from])
		case t.double != nil:
			out.double = append(out.double, t.double[from])
		default:
			out.int = append(out.int, t.int[from])
		}
	}
	return &value{constant: out}, nil
}
