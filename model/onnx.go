package model

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"pascaline/internal/onnxpb"
)

// Bounds of an ONNX file. A model's file comes from its owner, but an import
// still takes no more memory than a small multiple of the file.
const (
	maxONNXBytes = 1 << 30
	// maxONNXParts bounds the nodes, names, attributes and tensors together: a
	// part of two bytes in the file takes a hundred in memory.
	maxONNXParts = 1 << 20
	maxONNXNodes = 1 << 16
	// minWeights are the weights that any file may ask for by sharing them
	// between layers. A larger file may ask for one with each of its bytes, four
	// times what it holds in float32.
	minWeights = 1 << 26
	// minOpset is the first version of the operators whose Add and Mul broadcast
	// as NumPy does, and whose BatchNormalization infers by default.
	minOpset = 7
)

// ImportONNXFile reads the ONNX file at path, and its weights where they are in
// files beside it: see [ImportONNX]. The graph is named after the file.
func ImportONNXFile(path string, opts ImportOptions) (*Graph, []string, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the model: %w", err)
	}
	m, err := parseONNX(data)
	if err == nil {
		err = readExternal(m, filepath.Dir(path))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: importing the ONNX model: %w", path, err)
	}
	g, notes, err := importParsed(m, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	base := filepath.Base(path)
	g.Name = plainText(strings.TrimSuffix(base, filepath.Ext(base)))
	return g, notes, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxONNXBytes {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are taken", path, info.Size(), maxONNXBytes)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxONNXBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxONNXBytes {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxONNXBytes)
	}
	return data, nil
}

// ImportONNX turns a network as PyTorch exports it to ONNX into a graph.
//
// ONNX tensors are N×C×H×W with a batch of 1, or of a size known only at run
// time; the graph's are H×W×C, so the input of the graph, and an output that is
// an image, hold the channels innermost. Weights are permuted to match, those
// behind a Flatten too.
//
// It takes convolutions, matrix products, batch normalisation, average pools and
// means, sums of branches, channels joined and cut, padding with zeros, changes of
// layout, and polynomials of one tensor however they are spelled. Batch
// normalisation and the factors and offsets of single channels are folded into
// convolutions and matrix products. Functions that are no polynomials are replaced
// on request. All that it does not take is refused in one error, which names each
// node and says what to use instead. docs/pytorch.md has the whole list.
//
// The notes, if any, are sentences on what the graph does otherwise than the
// network, or at a cost that another network would not have.
func ImportONNX(data []byte, opts ImportOptions) (g *Graph, notes []string, err error) {
	m, err := parseONNX(data)
	if err != nil {
		return nil, nil, fmt.Errorf("importing the ONNX model: %w", err)
	}
	return importParsed(m, opts)
}

func importParsed(m *onnxpb.ModelProto, opts ImportOptions) (*Graph, []string, error) {
	g, notes, err := importGraph(m, opts, max(minWeights, proto.Size(m)))
	if err != nil {
		return nil, nil, fmt.Errorf("importing the ONNX model: %w", err)
	}
	return g, notes, nil
}

// aliens are files that are given for ONNX ones, by how they begin.
var aliens = []struct{ begins, is string }{
	{fileMagic, "a compiled model or plan of pascaline's: pass the ONNX file that it was compiled from, or use it as it is"},
	{"\x89PNG", "a PNG picture"},
	{"\xff\xd8\xff", "a JPEG picture"},
	{"PK\x03\x04", "an archive, as PyTorch saves weights in: export the network with torch.onnx.export"},
}

func parseONNX(data []byte) (*onnxpb.ModelProto, error) {
	if len(data) > maxONNXBytes {
		return nil, fmt.Errorf("it has %d bytes; at most %d are taken", len(data), maxONNXBytes)
	}
	for _, alien := range aliens {
		if bytes.HasPrefix(data, []byte(alien.begins)) {
			return nil, fmt.Errorf("this is no ONNX file but %s", alien.is)
		}
	}
	m := new(onnxpb.ModelProto)
	parts := maxONNXParts
	if err := countParts(data, m.ProtoReflect().Descriptor(), &parts); err != nil {
		return nil, err
	}
	options := proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 64}
	if err := options.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("this is no ONNX file, or one that was cut short: %w", err)
	}
	if m.IrVersion < 1 || m.Graph == nil {
		return nil, errors.New("this is no ONNX file, or one that was cut short: it holds no graph")
	}
	if len(m.OpsetImport) == 0 {
		return nil, errors.New("the file was cut short: it does not say which operator set it uses")
	}
	return m, nil
}

// countParts walks the encoding of a message of type d without taking memory,
// and refuses it when it has more than *left parts: messages and strings.
func countParts(b []byte, d protoreflect.MessageDescriptor, left *int) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("this is no ONNX file, or one that was cut short: %w", protowire.ParseError(n))
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return fmt.Errorf("this is no ONNX file, or one that was cut short: %w", protowire.ParseError(n))
		}
		field := d.Fields().ByNumber(num)
		if field != nil && typ == protowire.BytesType {
			if *left--; *left < 0 {
				return fmt.Errorf("it has more than %d nodes, tensors, attributes and names", maxONNXParts)
			}
			if field.Kind() == protoreflect.MessageKind {
				value, _ := protowire.ConsumeBytes(b[:n])
				if err := countParts(value, field.Message(), left); err != nil {
					return err
				}
			}
		}
		b = b[n:]
	}
	return nil
}

// operatorSet returns the version of ONNX's own operators.
func operatorSet(m *onnxpb.ModelProto) (int64, error) {
	version := int64(0)
	for _, o := range m.OpsetImport {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			version = max(version, o.Version)
		}
	}
	if version < minOpset {
		return 0, fmt.Errorf("it uses version %d of ONNX's operators; export it with version %d or later (opset_version=13)",
			version, minOpset)
	}
	return version, nil
}
