package model

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"pascaline/internal/onnxpb"
)

// findings is what is wrong with a network, each finding with the first node of
// which it is true.
type findings struct {
	list []*finding
	seen map[string]*finding
}

type finding struct {
	first string
	count int
	err   error
}

// add keeps an error of a node. That it depends on what could not be imported is
// none, unless the node itself could not be imported either.
func (f *findings) add(im *importer, n *onnxpb.NodeProto, err error) {
	if errors.Is(err, errUnknown) {
		name := functionOperators[n.OpType]
		if name == "erf" {
			name = "gelu"
		}
		given := im.Activations[name] != nil
		for _, whole := range partOf[name] {
			given = given || im.Activations[whole] != nil
		}
		if name == "" || given {
			return
		}
		err = unsupportedFunction(name)
	}
	key := n.Domain + "/" + n.OpType + "/" + err.Error()
	if f.seen[key] == nil {
		if f.seen == nil {
			f.seen = map[string]*finding{}
		}
		f.seen[key] = &finding{first: im.describeWithShape(n), err: err}
		f.list = append(f.list, f.seen[key])
	}
	f.seen[key].count++
}

// partOf names the functions that exporters write with another.
var partOf = map[string][]string{
	"hardsigmoid": {"hardswish", "relu6"}, "sigmoid": {"silu"}, "softplus": {"mish"}, "tanh": {"gelu", "mish"},
}

// err returns all findings as one error, nil if there are none.
func (f *findings) err() error {
	var all []error
	const shown = 16
	for _, f := range f.list[:min(shown, len(f.list))] {
		which := f.first
		if f.count > 1 {
			which += fmt.Sprintf(" and %d more like it", f.count-1)
		}
		all = append(all, fmt.Errorf("%s: %w", which, f.err))
	}
	if len(f.list) > shown {
		all = append(all, fmt.Errorf("%d more nodes cannot be imported", len(f.list)-shown))
	}
	return errors.Join(all...)
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

// describeWithShape adds the shape of the node's input, if there is one.
func (im *importer) describeWithShape(n *onnxpb.NodeProto) string {
	for _, name := range n.Input {
		if v := im.values[name]; v != nil && v.expression != nil {
			return describe(n) + " of a tensor " + shapeText(v.dims())
		}
	}
	return describe(n)
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
