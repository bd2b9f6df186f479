package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/term"

	"pascaline/internal/mnist"
	"pascaline/model"
	"pascaline/model/zoo"
)

// builtIn is the name that stands for the embedded model wherever a file of a
// model or a plan is expected.
const builtIn = "mnist"

// readModel reads a .pasc file, with or without weights, the built-in model, or a
// network of the zoo, which takes seconds to compile.
func readModel(path string) (*model.Model, error) {
	if path == builtIn {
		return mnist.Model()
	}
	if zoo.Has(path) {
		n, err := zoo.Parse(path)
		if err != nil {
			return nil, err
		}
		if term.IsTerminal(int(os.Stderr.Fd())) {
			fmt.Fprintf(os.Stderr, "compiling %v; what pascaline model zoo %v -o FILE.pasc writes needs no compiling\n", n, n)
		}
		return n.Compile()
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: %s", path, modelsIn(path))
	}
	m, err := model.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(path, `./\`) {
		return nil, fmt.Errorf("no network %q and no such file; there are %s, %s", path, builtIn, strings.Join(zoo.Names(), ", "))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && strings.EqualFold(filepath.Ext(path), ".onnx") {
		return nil, fmt.Errorf("%s is ONNX: compile it with pascaline model import, and pass what that writes", path)
	}
	return m, err
}

// modelsIn says which of a folder's files to pass instead of it, such as one that
// pillar train made: with one network, or one for each seed in a folder of its own.
func modelsIn(dir string) string {
	var found []string
	for _, pattern := range []string{"*.pasc", "*/*.pasc", "*.plan"} {
		names, err := fs.Glob(os.DirFS(dir), pattern)
		if err == nil && len(names) > 0 {
			for _, name := range names {
				found = append(found, filepath.Join(dir, filepath.FromSlash(name)))
			}
			break
		}
	}
	const few = 5
	switch n := len(found); {
	case n == 0:
		return "pass a compiled model or plan (.pasc, .plan), of which it has none"
	case n == 1:
		return "pass the file in it, " + found[0]
	case n > few:
		return fmt.Sprintf("pass one of the files in it, %s or %d more", strings.Join(found[:few], ", "), n-few)
	default:
		return "pass one of the files in it, " + strings.Join(found[:n-1], ", ") + " or " + found[n-1]
	}
}

// isPublic reports whether what readModel reads is part of this program, so that
// anybody has the weights.
func isPublic(path string) bool { return path == builtIn || zoo.Has(path) }

// readPlan reads the plan of a file, with or without weights.
func readPlan(path string) (*model.Plan, error) {
	m, err := readModel(path)
	if err != nil {
		return nil, err
	}
	return m.Plan, nil
}

// readWeights reads a model where one with its weights is needed.
func readWeights(path string) (*model.Model, error) {
	m, err := readModel(path)
	if err != nil {
		return nil, err
	}
	if m.Weights == nil {
		return nil, fmt.Errorf("%s is a plan, without the weights; pass the .pasc file that was written beside it", path)
	}
	return m, nil
}

// className names an output by its number, and by its label where that says
// more.
func className(p *model.Plan, class int) string {
	number := strconv.Itoa(class)
	if label := labelName(p, class); label != "" && label != number {
		return number + " " + label
	}
	return number
}

// labelName returns the label of an output, or nothing where it has none.
func labelName(p *model.Plan, class int) string {
	if class < 0 || class >= len(p.Labels) {
		return ""
	}
	return p.Labels[class]
}
