package ring

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
)

// KernelVariable is the environment variable that names the kernel to use, one
// of [Kernels], instead of the fastest.
const KernelVariable = "PASCALINE_KERNEL"

// chosen is the inner kernel of [NewKernel]; nil before the first choice.
var chosen atomic.Pointer[inner]

// Kernels lists the kernels that this processor can run, the fastest first.
func Kernels() []string {
	var names []string
	for _, in := range inners {
		names = append(names, in.name)
	}
	return names
}

// SelectKernel chooses the kernel for weights packed from now on: the one of
// that name or, if name is empty, the one that [KernelVariable] names or, if
// that is empty too, the fastest. A program does well to call it when it
// starts: here a kernel that does not exist is an error, and where nothing has been
// chosen a name in the environment that means none is passed over.
func SelectKernel(name string) error {
	from := ""
	if name == "" {
		name, from = os.Getenv(KernelVariable), KernelVariable+": "
	}
	for _, in := range inners {
		if name == "" || name == in.name {
			chosen.Store(in)
			return nil
		}
	}
	return fmt.Errorf("%sthis processor has no kernel %q: choose one of %s", from, name, strings.Join(Kernels(), ", "))
}

// KernelName returns the name of the kernel chosen.
func KernelName() string { return selected().name }

func selected() *inner {
	if in := chosen.Load(); in != nil {
		return in
	}
	if SelectKernel("") != nil {
		chosen.CompareAndSwap(nil, inners[0])
	}
	return chosen.Load()
}
