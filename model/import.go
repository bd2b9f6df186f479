package model

import (
	"errors"
	"fmt"
	"slices"

	"pascaline/internal/onnxpb"
)

// ImportOptions are the choices of an import; the zero value changes nothing that
// a network computes.
type ImportOptions struct {
	// Activations has polynomials for functions that a private inference cannot
	// compute: the coefficients c_0, c_1, … by the names of [Functions]. See
	// [CheckActivation].
	Activations map[string][]float64
	// Low and High bound the elements of every input: 0 and 1 for pictures. They
	// are unknown where both are 0.
	Low, High float64
}

// importer turns the nodes of an ONNX graph, inputs before outputs, into steps.
// It holds elementwise arithmetic back as polynomials, and transpositions and
// reshapes as layouts, until something else consumes them.
type importer struct {
	ImportOptions
	opset     int64
	producers map[string]*onnxpb.NodeProto // of every node's outputs
	values    map[string]*value
	steps     []*step        // in order of creation, which is topological
	names     map[string]int // how many steps wanted a name
	spent     int            // elements of weights and folded constants made so far
	budget    int            // and how many may be
	findings  findings
	// placeholders stand for functions that are findings.
	placeholders map[*onnxpb.NodeProto]*step
	notes        []string
	used         map[string]bool // functions of Activations that the network has
	outputs      string          // the name of the network's output
}

// step is a node of the graph in the making. Op may be [opAffine] until the
// steps are folded.
type step struct {
	GraphNode
	inputs []*step
	from   string // the ONNX node as errors show it
	index  int    // in the finished graph

	scale, shift channels // opAffine
	weights      bool     // opAffine: they are a batch normalisation's, not just numbers

	functions []*step // elementwise steps of this one
	views     []*step // reshapes of this one
}

// opAffine multiplies each element by a factor and adds an offset. It exists only
// during an import: [fold] turns it into weights and coefficients.
const opAffine Op = 0xff

// importGraph takes at most budget elements for weights.
func importGraph(m *onnxpb.ModelProto, opts ImportOptions, budget int) (*Graph, []string, error) {
	if err := opts.check(); err != nil {
		return nil, nil, err
	}
	im := &importer{
		ImportOptions: opts,
		budget:        budget,
		producers:     map[string]*onnxpb.NodeProto{},
		values:        map[string]*value{},
		names:         map[string]int{},
		used:          map[string]bool{},
		placeholders:  map[*onnxpb.NodeProto]*step{},
	}
	var err error
	if im.opset, err = operatorSet(m); err != nil {
		return nil, nil, err
	}
	if err := im.declare(m.Graph); err != nil {
		return nil, nil, err
	}
	if len(m.Graph.Output) != 1 {
		return nil, nil, fmt.Errorf("the network has %d outputs %s; export it with the one that clients are to learn",
			len(m.Graph.Output), valueNames(m.Graph.Output))
	}
	im.outputs = m.Graph.Output[0].Name
	nodes, err := im.order(im.outputs)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range nodes {
		im.node(n)
	}
	out, err := im.output()
	if err := im.findings.err(); err != nil {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("output %q: %w", im.outputs, err)
	}
	if out, err = im.fold(out); err != nil {
		return nil, nil, err
	}
	g := assemble(plainText(m.Graph.Name), im.steps, out)
	if err := g.Validate(); err != nil {
		return nil, nil, err
	}
	im.noteUnused()
	return g, im.notes, nil
}

// node imports one node. What is wrong with it is a finding, and its outputs are
// unknown from then on, so that all that is wrong with a network is found at once.
func (im *importer) node(n *onnxpb.NodeProto) {
	values, err := im.imported(n)
	if err != nil {
		im.findings.add(im, n, err)
		values = nil
	}
	for i, name := range n.Output {
		switch {
		case name == "":
		case i < len(values):
			im.values[name] = values[i]
		case err != nil:
			im.values[name] = &value{unknown: true}
		}
	}
}

// imported returns the values of a node's outputs, or of the first of them.
func (im *importer) imported(n *onnxpb.NodeProto) ([]*value, error) {
	if n.Domain != "" && n.Domain != "ai.onnx" {
		return nil, fmt.Errorf("is not supported: it belongs to the operators of %q; export the network with ONNX's own operators only"+
			" (torch.onnx.export with dynamo=False, or a newer PyTorch)", n.Domain)
	}
	if folds := constantOperators[n.OpType]; folds != nil {
		if t, ok, err := im.constants(n); err != nil {
			return nil, err
		} else if ok {
			out, err := folds(im, n, t)
			if err != nil {
				return nil, err
			}
			return []*value{{constant: out}}, nil
		}
	}
	if n.OpType == "Split" {
		return im.split(n)
	}
	imports := operators[n.OpType]
	if imports == nil {
		return nil, unsupported(n)
	}
	v, err := imports(im, n)
	return []*value{v}, err
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
func (im *importer) output() (*step, error) {
	v := im.values[im.outputs]
	switch {
	case v == nil:
		return nil, im.missing(im.outputs)
	case v.unknown:
		return nil, errUnknown
	case v.isConstant():
		return nil, errors.New("does not depend on the input")
	}
	v, err := im.unpadded(im.resolved(im.withoutLast(v)))
	if err != nil {
		return nil, err
	}
	if v.base.Op == OpInput && v.poly.isIdentity() {
		return nil, errors.New("is the input itself: the network computes nothing")
	}
	dims := v.layout.dims()
	if len(dims) == 4 && dims[0] == 1 {
		return im.image(v)
	}
	if flat := v.layout.flat(); !slices.Equal(flat, axis(factor{size(flat), 1})) {
		return nil, fmt.Errorf("is a flattened image of %v, which would come out in another order;"+
			" end the network with a linear layer, or before the Flatten", v.base.Shape)
	}
	return im.step(v)
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
			" export the network without layers that share their weights, and with fewer groups in wide convolutions", im.budget)
	}
	return nil
}

// note keeps a sentence about a node for whoever asked for the import.
func (im *importer) note(from, format string, args ...any) {
	im.notes = append(im.notes, from+" "+fmt.Sprintf(format, args...))
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
