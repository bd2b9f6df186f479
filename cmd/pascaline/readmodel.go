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

	"pascaline/internal/commandline"
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
	info, err := os.Stat(path)
	there := err == nil
	if there && info.IsDir() && strings.Contains(path, "/") {
		return nil, notAFolder(path) // though it be in one that is called like a network
	}
	if zoo.Has(path) {
		n, err := zoo.Parse(path)
		if err != nil {
			return nil, err
		}
		if there && !info.IsDir() {
			return nil, fmt.Errorf("%s is a network of the zoo, with weights that mean nothing, and a file here: write ./%[1]s for the file, or run this elsewhere", path)
		}
		if found := modelsIn(path); len(found) > 0 {
			fmt.Fprintf(os.Stderr, "warning: %v is the zoo's network, with weights that mean nothing; the folder of that name has %s\n", n, found[0])
		}
		if term.IsTerminal(int(os.Stderr.Fd())) {
			fmt.Fprintf(os.Stderr, "compiling %v; what pascaline model zoo %v -o FILE.pasc writes needs no compiling\n", n, n)
		}
		return n.Compile()
	}
	if there && info.IsDir() {
		return nil, notAFolder(path)
	}
	m, err := model.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(path, `./\`) {
		return nil, fmt.Errorf("no network %q and no such file; there are %s, %s", path, builtIn, strings.Join(zoo.Trainable(), ", "))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && strings.EqualFold(filepath.Ext(path), ".onnx") {
		return nil, fmt.Errorf("%s is ONNX: compile it with pascaline model import, and pass what that writes", path)
	}
	return m, err
}

// modelsIn returns the compiled models that a folder has, such as one that pillar train
// made: with one network, or one for each seed in a folder of its own; or the plans.
func modelsIn(dir string) (paths []string) {
	for _, pattern := range []string{"*.pasc", "*/*.pasc", "*.plan"} {
		names, _ := fs.Glob(os.DirFS(dir), pattern)
		for _, name := range names {
			paths = append(paths, commandline.Words(filepath.Join(dir, filepath.FromSlash(name))))
		}
		if len(paths) > 0 {
			break
		}
	}
	return paths
}

// notAFolder is the error of a folder that is given for a file.
func notAFolder(dir string) error {
	const few = 5
	found := modelsIn(dir)
	switch n := len(found); {
	case n == 0:
		return fmt.Errorf("%s is a folder: pass a compiled model or plan (.pasc, .plan), of which it has none", dir)
	case n == 1:
		return fmt.Errorf("%s is a folder: pass the file in it, %s", dir, found[0])
	case n > few:
		return fmt.Errorf("%s is a folder: pass one of the files in it, %s or %d more", dir, strings.Join(found[:few], ", "), n-few)
	default:
		return fmt.Errorf("%s is a folder: pass one of the files in it, %s or %s", dir, strings.Join(found[:n-1], ", "), found[n-1])
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
