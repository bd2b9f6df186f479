package model

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"pascaline/internal/onnxpb"
	"pascaline/ring"
)

// importer turns the nodes of an ONNX graph, inputs before outputs, into steps.
// It holds elementwise arithmetic back as polynomials until something else
// consumes them.
type importer struct {
	opset     int64
	producers map[string]*onnxpb.NodeProto // of every node's outputs
	values    map[string]*value
	steps     []*step        // in order of creation, which is topological
	names     map[string]int // how many steps wanted a name
	spent     int            // elements of weights and folded constants made so far
	budget    int            // and how many may be
}

// value is what an ONNX name stands for: a constant, or an elementwise
// polynomial of a step's output.
type value struct {
	proto    *onnxpb.TensorProto // a constant not decoded yet
	constant *tensor

	base *step
	poly polynomial
	made *step  // the step made for poly, once something needed it
	last string // the name for it
	from string // the same node as errors show it
	// dims is ONNX's shape, a batch of 1 first unless it has one dimension.
	dims []int
	// order is the H×W×C image of which a value of one or two dimensions is the
	// flattened form: ONNX has it in the order C, H, W, the graph in H, W, C.
	order Shape
	pad   *padding // zeros around it, which the consumer takes over
}

// padding is in elements.
type padding struct{ top, left, bottom, right int }

// isConstant reports whether v is the same for all inputs of the network.
func (v *value) isConstant() bool { return v.base == nil }

// image returns the H×W×C image that v is, or is the flattened form of.
func (v *value) image() Shape {
	if len(v.dims) == 4 {
		return Shape{v.dims[2], v.dims[3], v.dims[1]}
	}
	return v.order
}

// step is a node of the graph in the making. Op may be [opAffine] until the
// steps are folded.
type step struct {
	GraphNode
	inputs []*step
	from   string // the ONNX node as errors show it
	index  int    // in the finished graph

	scale, shift channels // opAffine
}

// channels holds a number for each channel, or a single one for all.
type channels []float64

func (c channels) at(i int) float64 {
	if len(c) == 1 {
		return c[0]
	}
	return c[i]
}

// opAffine multiplies each channel by a factor and adds an offset. It exists
// only during an import: [fold] turns it into weights and coefficients.
const opAffine Op = 0xff

// importGraph takes at most budget elements for weights.
func importGraph(m *onnxpb.ModelProto, budget int) (*Graph, error) {
	im := &importer{
		budget:    budget,
		producers: map[string]*onnxpb.NodeProto{},
		values:    map[string]*value{},
		names:     map[string]int{},
	}
	var err error
	if im.opset, err = operatorSet(m); err != nil {
		return nil, err
	}
	if err := im.declare(m.Graph); err != nil {
		return nil, err
	}
	if len(m.Graph.Output) != 1 {
		return nil, fmt.Errorf("the network has %d outputs %s; export it with the one that clients are to learn",
			len(m.Graph.Output), valueNames(m.Graph.Output))
	}
	output := m.Graph.Output[0].Name
	nodes, err := im.order(output)
	if err != nil {
		return nil, err
	}
	if err := refuseUnknown(nodes, output); err != nil {
		return nil, err
	}
	for _, n := range nodes {
		v, err := operators[n.OpType](im, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", describe(n), err)
		}
		im.values[n.Output[0]] = v
	}
	out, err := im.output(output)
	if err != nil {
		return nil, fmt.Errorf("output %q: %w", output, err)
	}
	if out, err = fold(im.steps, out); err != nil {
		return nil, err
	}
	g := assemble(plainText(m.Graph.Name), im.steps, out)
	if err := g.Validate(); err != nil {
		return nil, err
	}
	return g, nil
}

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

// input reads the type of the network's input.
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
	if len(shape) != 2 && len(shape) != 4 {
		return nil, fmt.Errorf("has %d dimensions; export the model with an input of shape 1×C×H×W or 1×features", len(shape))
	}
	v := &value{dims: []int{1}, poly: identity()}
	for i, d := range shape {
		size := d.GetDimValue()
		switch {
		case i == 0 && size > 1:
			return nil, fmt.Errorf("has a batch of %d; export the model with a batch of 1 or of any size (dynamic_axes)", size)
		case i == 0: // 1, or not fixed
		case size < 1 || size > maxDim:
			return nil, fmt.Errorf("dimension %d is %d; export the model with fixed sizes from 1 to %d, only the batch may vary",
				i, size, maxDim)
		default:
			v.dims = append(v.dims, int(size))
		}
	}
	out := flatShape(v.dims)
	v.order = out
	if err := checkShape(out); err != nil {
		return nil, err
	}
	v.base = im.add(&step{GraphNode: GraphNode{Op: OpInput, Shape: out}, from: "the input"}, info.Name)
	return v, nil
}

// flatShape returns the shape of the step that holds a value of shape dims.
func flatShape(dims []int) Shape {
	if len(dims) == 4 {
		return Shape{dims[2], dims[3], dims[1]}
	}
	return Shape{1, 1, dims[len(dims)-1]}
}

// order returns the nodes that the output depends on, each after those that it
// reads.
func (im *importer) order(output string) ([]*onnxpb.NodeProto, error) {
	const visiting, done = 1, 2
	state := map[*onnxpb.NodeProto]int{}
	var sorted []*onnxpb.NodeProto
	var visit func(name string, reader *onnxpb.NodeProto) error
	visit = func(name string, reader *onnxpb.NodeProto) error {
		if im.values[name] != nil {
			return nil
		}
		n := im.producers[name]
		if n == nil {
			who := "the network's output"
			if reader != nil {
				who = describe(reader)
			}
			return fmt.Errorf("%s needs %q, which nothing produces: the file is damaged, or was cut out of a larger model",
				who, name)
		}
		switch state[n] {
		case visiting:
			return fmt.Errorf("%s depends on its own output %q", describe(n), name)
		case done:
			return nil
		}
		state[n] = visiting
		for _, in := range n.Input {
			if in == "" {
				continue // an optional input left out
			}
			if err := visit(in, n); err != nil {
				return err
			}
		}
		state[n] = done
		if sorted = append(sorted, n); len(sorted) > maxONNXNodes {
			return fmt.Errorf("it has more than %d nodes", maxONNXNodes)
		}
		return nil
	}
	if err := visit(output, nil); err != nil {
		return nil, err
	}
	return sorted, nil
}

// output returns the step that yields the network's output.
func (im *importer) output(name string) (*step, error) {
	v := im.values[name]
	switch {
	case v == nil:
		return nil, im.missing(name)
	case v.isConstant():
		return nil, errors.New("does not depend on the input")
	case len(v.dims) != 4 && !sameOrder(v.order):
		return nil, fmt.Errorf("is a flattened image of %v, which would come out in another order;"+
			" end the network with a linear layer, or before the Flatten", v.order)
	case v.pad != nil:
		return nil, v.unpadded()
	case v.base.Op == OpInput && v.poly.isIdentity():
		return nil, errors.New("is the input itself: the network computes nothing")
	}
	return im.step(v)
}

// sameOrder reports whether the orders C, H, W and H, W, C are the same for s.
func sameOrder(s Shape) bool { return s.C == 1 || s.H*s.W == 1 }

// missing explains why the name of a reachable node has no value.
func (im *importer) missing(name string) error {
	return fmt.Errorf("%q is a further output of %s; only the first can be used", name, describe(im.producers[name]))
}

// get returns input i of n, which may be absent.
func (im *importer) get(n *onnxpb.NodeProto, i int) (*value, error) {
	if i >= len(n.Input) || n.Input[i] == "" {
		return nil, nil
	}
	v := im.values[n.Input[i]]
	if v == nil {
		return nil, im.missing(n.Input[i])
	}
	return v, nil
}

// dynamic returns input i of n, which must depend on the network's input. It
// refuses padding, which few operators can take over.
func (im *importer) dynamic(n *onnxpb.NodeProto, i int) (*value, error) {
	v, err := im.padded(n, i)
	if err != nil {
		return nil, err
	}
	return v, v.unpadded()
}

func (im *importer) padded(n *onnxpb.NodeProto, i int) (*value, error) {
	v, err := im.get(n, i)
	switch {
	case err != nil:
		return nil, err
	case v == nil:
		return nil, fmt.Errorf("lacks input %d", i)
	case v.isConstant():
		return nil, fmt.Errorf("its input %d, %q, is a constant; it must depend on the network's input", i, n.Input[i])
	}
	return v, nil
}

func (v *value) unpadded() error {
	if v.pad != nil {
		return fmt.Errorf("cannot take a padded tensor (%s); pad inside the convolution or the pooling layer", v.from)
	}
	return nil
}

// constant returns input i of n, what it is for, which must be a constant; nil
// if it is absent.
func (im *importer) constant(n *onnxpb.NodeProto, i int, what string) (*tensor, error) {
	v, err := im.get(n, i)
	if err != nil || v == nil {
		return nil, err
	}
	if !v.isConstant() {
		return nil, fmt.Errorf("its %s %q depends on the network's input; it must be a constant", what, n.Input[i])
	}
	t, err := v.tensor()
	if err != nil {
		return nil, fmt.Errorf("its %s %q: %w", what, n.Input[i], err)
	}
	return t, nil
}

// tensor decodes a constant.
func (v *value) tensor() (*tensor, error) {
	if v.constant == nil {
		t, err := decodeTensor(v.proto)
		if err != nil {
			return nil, err
		}
		v.constant, v.proto = t, nil
	}
	return v.constant, nil
}

// step returns the step that yields v, making one if v is more than the output
// of its base.
func (im *importer) step(v *value) (*step, error) {
	if v.made != nil {
		return v.made, nil
	}
	s := &step{GraphNode: GraphNode{Shape: v.base.Shape}, inputs: []*step{v.base}, from: v.from}
	switch d := v.poly.degree(); {
	case d == 0:
		return nil, fmt.Errorf("%s does not depend on the network's input", v.from)
	case v.poly.isIdentity():
		v.made = v.base
		return v.made, nil
	case d == 1:
		s.Op, s.scale, s.shift = opAffine, channels{v.poly[1]}, channels{v.poly[0]}
	default:
		s.Op, s.Coeffs = OpPolynomial, v.poly
	}
	v.made = im.add(s, v.last)
	return v.made, nil
}

// add appends s under a name not yet taken.
func (im *importer) add(s *step, name string) *step {
	s.Name = plainText(name)
	for im.names[s.Name]++; im.names[s.Name] > 1; im.names[s.Name]++ {
		s.Name = fmt.Sprintf("%s#%d", s.Name, im.names[s.Name])
	}
	im.steps = append(im.steps, s)
	return s
}

// charge counts elements about to be made: a small file must not ask for many
// copies of its weights.
func (im *importer) charge(n int) error {
	if im.spent += n; im.spent > im.budget {
		return fmt.Errorf("the layers so far need more than %d weights, many times what the file holds;"+
			" export the network without layers that share their weights", im.budget)
	}
	return nil
}

// result is the value that a step made for n yields.
func (im *importer) result(n *onnxpb.NodeProto, s *step, dims []int) *value {
	s.from = describe(n)
	im.add(s, nodeName(n))
	return &value{base: s, poly: identity(), dims: dims, order: s.Shape, last: s.Name, from: s.from}
}

// assemble numbers the steps that out depends on.
func assemble(name string, steps []*step, out *step) *Graph {
	g := &Graph{Name: name}
	live := reachable(out)
	for _, s := range steps {
		if !live[s] {
			continue
		}
		s.index = len(g.Nodes)
		for _, in := range s.inputs {
			s.Inputs = append(s.Inputs, in.index)
		}
		g.Nodes = append(g.Nodes, s.GraphNode)
	}
	return g
}

func reachable(out *step) map[*step]bool {
	live := map[*step]bool{out: true}
	for queue := []*step{out}; len(queue) > 0; queue = queue[1:] {
		for _, in := range queue[0].inputs {
			if !live[in] {
				live[in] = true
				queue = append(queue, in)
			}
		}
	}
	return live
}

// nodeName names n, which the format does not require to have a name.
func nodeName(n *onnxpb.NodeProto) string {
	if n.Name == "" && len(n.Output) > 0 {
		return n.Output[0]
	}
	return n.Name
}

// describe names n and its operator for an error.
func describe(n *onnxpb.NodeProto) string {
	if n.Name == "" {
		return fmt.Sprintf("node of %q (%s)", nodeName(n), n.OpType)
	}
	return fmt.Sprintf("node %q (%s)", n.Name, n.OpType)
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

// plainText makes a name of any file fit for a plan: see [checkText]. It leaves
// room for a number that makes it unique.
func plainText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, s)
	for len(s) > maxText-16 {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// linearStep is a step of one convolution or matrix product.
func linearStep(in *step, s ring.ConvShape, w, bias []float32) *step {
	return &step{
		GraphNode: GraphNode{Op: OpLinear, Shape: Shape{s.OutH(), s.OutW(), s.K}, Linear: s, W: w, Bias: bias},
		inputs:    []*step{in},
	}
}
