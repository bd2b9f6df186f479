package network

import (
	"fmt"
	"os"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // "go", the backend in pure Go
)

// Backend computes the graphs.
type Backend struct {
	compute.Backend
	Compiled bool // fuses and compiles
}

// OpenBackend opens the backend of a name, "go" or, where it is built in, "xla".
func OpenBackend(name string) (Backend, error) {
	config, known := backends[name]
	if !known {
		return Backend{}, fmt.Errorf("no backend %q here; there is go, and with -tags xla also xla", name)
	}
	if name == "go" {
		// It tells of its setting on the standard output, which is not its own.
		stdout := os.Stdout
		if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
			os.Stdout = null
			defer func() { os.Stdout = stdout; null.Close() }()
		}
	}
	b, err := compute.NewWithConfig(config)
	if err != nil {
		return Backend{}, fmt.Errorf("opening backend %s: %w", name, err)
	}
	return Backend{b, name != "go"}, nil
}

// backends are the configurations of the backends by name. The number of goroutines
// of the pure-Go one has no bound: with its own, operations that run side by side can
// all wait for a place that none of them gives up.
var backends = map[string]string{"go": "go:parallelism=-1"}
