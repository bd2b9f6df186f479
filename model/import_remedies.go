package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"pascaline/internal/onnxpb"
)

// operators maps an operator to what imports it, where not all its inputs are
// constants.
var operators = map[string]func(*importer, *onnxpb.NodeProto) (*value, error){
	"Add":                (*importer).arithmetic,
	"AveragePool":        (*importer).averagePool,
	"BatchNormalization": (*importer).batchNorm,
	"Cast":               (*importer).cast,
	"Celu":               (*importer).function,
	"Clip":               (*importer).clip,
	"Concat":             (*importer).concat,
	"Constant":           (*importer).constantNode,
	"Conv":               (*importer).conv,
	"Div":                (*importer).arithmetic,
	"Dropout":            (*importer).dropout,
	"Elu":                (*importer).function,
	"Erf":                (*importer).function,
	"Flatten":            (*importer).reshape,
	"Gather":             (*importer).gather,
	"Gelu":               (*importer).function,
	"Gemm":               (*importer).gemm,
	"GlobalAveragePool":  (*importer).globalAveragePool,
	"HardSigmoid":        (*importer).function,
	"HardSwish":          (*importer).function,
	"Identity":           (*importer).same,
	"LeakyRelu":          (*importer).function,
	"LogSoftmax":         (*importer).softmax,
	"MatMul":             (*importer).matMul,
	"Max":                (*importer).extreme,
	"Mean":               (*importer).arithmetic,
	"Min":                (*importer).extreme,
	"Mish":               (*importer).function,
	"Mul":                (*importer).arithmetic,
	"Neg":                (*importer).negate,
	"Pad":                (*importer).padTensor,
	"Pow":                (*importer).arithmetic,
	"ReduceMean":         (*importer).reduce,
	"ReduceSum":          (*importer).reduce,
	"Relu":               (*importer).function,
	"Reshape":            (*importer).reshape,
	"Selu":               (*importer).function,
	"Shape":              (*importer).shape,
	"Sigmoid":            (*importer).function,
	"Slice":              (*importer).slice,
	"Softmax":            (*importer).softmax,
	"Softplus":           (*importer).function,
	"Squeeze":            (*importer).reshape,
	"Sub":                (*importer).arithmetic,
	"Sum":                (*importer).arithmetic,
	"Swish":              (*importer).function,
	"Tanh":               (*importer).function,
	"Transpose":          (*importer).transpose,
	"Unsqueeze":          (*importer).reshape,
}

// functionOperators maps the operators that are functions to their names; erf is
// part of gelu alone.
var functionOperators = map[string]string{
	"Celu": "elu", "Elu": "elu", "Erf": "erf", "Gelu": "gelu", "HardSigmoid": "hardsigmoid", "HardSwish": "hardswish",
	"LeakyRelu": "leakyrelu", "Mish": "mish", "Relu": "relu", "Selu": "selu", "Sigmoid": "sigmoid", "Softplus": "softplus",
	"Swish": "silu", "Tanh": "tanh",
}

// What to use instead of an operator.
const (
	polynomialRemedy = "train the network with a polynomial activation of degree 2 to 8 in its place," +
		" say (322 + 512x + 160x² − 3x⁴)/1024"
	poolRemedy    = "use average pooling (AvgPool2d)"
	normRemedy    = "use batch normalisation (BatchNorm2d) before the activation"
	decideRemedy  = "leave it out of the exported network: the client decides on the output"
	plainRemedy   = "export the float32 network before quantisation"
	scaleRemedy   = "use a convolution with a stride, or average pooling, and no upsampling"
	controlRemedy = "export the network without control flow (torch.onnx.export of the traced model)"
	layoutRemedy  = "keep images as N×C×H×W, move no pixels, and flatten before the linear layers"
)

// remedies says what to use instead of the operators that networks most often
// hold and a polynomial protocol cannot compute, or does not.
var remedies = func() map[string]string {
	m := map[string]string{}
	for remedy, list := range map[string]string{
		polynomialRemedy: "PRelu ThresholdedRelu Shrink Softsign Sin Cos Exp Log Abs Sqrt Reciprocal Sign Where Ceil Floor Round",
		poolRemedy:       "MaxPool GlobalMaxPool LpPool GlobalLpPool MaxRoiPool ReduceMax ReduceMin ReduceL2",
		normRemedy:       "LayerNormalization InstanceNormalization GroupNormalization LRN LpNormalization MeanVarianceNormalization RMSNormalization",
		decideRemedy:     "ArgMax ArgMin TopK Hardmax",
		plainRemedy:      "QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger",
		scaleRemedy:      "ConvTranspose Resize Upsample DepthToSpace SpaceToDepth GridSample",
		controlRemedy:    "If Loop Scan SequenceConstruct SequenceAt SplitToSequence LSTM GRU RNN",
		layoutRemedy:     "Expand Tile Einsum ConstantOfShape GatherND ScatterND",
	} {
		for _, op := range strings.Fields(list) {
			m[op] = remedy
		}
	}
	return m
}()

// unsupported returns the error of an operator that the import does not know.
func unsupported(n *onnxpb.NodeProto) error {
	remedy := remedies[n.OpType]
	if remedy == "" {
		remedy = "use convolutions, linear layers, average pooling, additions and polynomial activations"
	}
	return errors.New("is not supported: " + remedy)
}

// unsupportedFunction returns the error of a function for which there is no
// polynomial.
func unsupportedFunction(name string) error {
	switch {
	case name == "clip":
		return errors.New("clipping cannot be computed: leave it to training (if self.training: …)," +
			" or have the import drop it (--activation clip=drop), which changes nothing for values that it would let pass")
	case !slices.Contains(functions, name):
		return fmt.Errorf("%s is not supported here: %s", name, polynomialRemedy)
	}
	return fmt.Errorf("%s is no polynomial: %s; or have the import put a fitted polynomial in its place"+
		" (--activation %s=poly:4:5), and check the accuracy, or better train again with it (docs/pytorch.md)", name, polynomialRemedy, name)
}
