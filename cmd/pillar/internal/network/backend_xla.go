//go:build xla

package network

import "github.com/gomlx/go-xla/compute/xla"

// The plugin that XLA needs, of the processor or of a GPU, must be installed: nothing
// is downloaded behind anybody's back.
func init() {
	xla.EnableAutoInstall(false)
	backends["xla"] = "xla"
}
