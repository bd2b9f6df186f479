package model

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"pascaline/internal/onnxpb"
)

// readExternal reads the tensors of m whose values are in files beside the model,
// in dir: PyTorch from 2.9 on writes weights so unless told otherwise. A file is
// named by the model and must lie in dir, whatever its name or links say.
func readExternal(m *onnxpb.ModelProto, dir string) error {
	var root *os.Root
	left := int64(maxONNXBytes)
	for _, t := range m.Graph.Initializer {
		if t.DataLocation != onnxpb.TensorProto_EXTERNAL {
			continue
		}
		if root == nil {
			var err error
			if root, err = os.OpenRoot(dir); err != nil {
				return err
			}
			defer root.Close()
		}
		if err := readTensor(root, t, &left); err != nil {
			return fmt.Errorf("weights %q: %w", t.Name, err)
		}
	}
	return nil
}

// external is where a tensor's values are.
type external struct {
	location       string
	offset, length int64
}

func externalOf(t *onnxpb.TensorProto) (*external, error) {
	e := &external{length: -1}
	for _, entry := range t.ExternalData {
		to := &e.offset
		switch entry.Key {
		case "location":
			e.location = entry.Value
			continue
		case "offset":
		case "length":
			to = &e.length
		default: // a checksum
			continue
		}
		var err error
		if *to, err = strconv.ParseInt(entry.Value, 10, 64); err != nil || *to < 0 {
			return nil, fmt.Errorf("their %s is %q: the file is damaged", entry.Key, entry.Value)
		}
	}
	if e.location == "" {
		return nil, errors.New("they are in another file, which is not named: the file is damaged")
	}
	return e, nil
}

// readTensor makes t's values part of it. It takes no more memory than t's shape
// says, and than left allows.
func readTensor(root *os.Root, t *onnxpb.TensorProto, left *int64) error {
	e, err := externalOf(t)
	if err != nil {
		return err
	}
	size := int64(4)
	switch t.DataType {
	case onnxpb.TensorProto_FLOAT:
	case onnxpb.TensorProto_DOUBLE, onnxpb.TensorProto_INT64:
		size = 8
	default:
		return fmt.Errorf("their type is %v; export the model in float32", t.DataType)
	}
	for _, d := range t.Dims {
		if d < 0 || d > maxTotal {
			return fmt.Errorf("their shape is %d; every dimension must be from 0 to %d", t.Dims, maxTotal)
		}
		if size *= d; size > *left {
			return fmt.Errorf("up to them, weights take more than %d bytes", maxONNXBytes)
		}
	}
	if e.length >= 0 && e.length != size {
		return fmt.Errorf("they are %d bytes, but their shape %d needs %d: the file is damaged", e.length, t.Dims, size)
	}
	*left -= size
	name := filepath.FromSlash(e.location)
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return fmt.Errorf("they are in the file %q, which must lie beside the model: %w", e.location, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("they are in %q, which is no file", e.location)
	case e.offset > info.Size() || size > info.Size()-e.offset:
		return fmt.Errorf("they are %d bytes from %d on in %q, which has %d: it was cut short, or belongs to another model",
			size, e.offset, e.location, info.Size())
	}
	f, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("they are in the file %q: %w", e.location, err)
	}
	defer f.Close()
	t.RawData = make([]byte, size)
	if _, err := f.ReadAt(t.RawData, e.offset); err != nil && err != io.EOF {
		return err
	}
	t.DataLocation, t.ExternalData = onnxpb.TensorProto_DEFAULT, nil
	return nil
}
