package wiretest

import (
	"strconv"
	"syscall"
	"testing"

	"pascaline/plugins/internal/wire"
)

// Blocks returns a host's blocks and the plugin's view of them, as a process
// inherits it.
func Blocks(t *testing.T) (host, plugin *wire.Blocks) {
	t.Helper()
	host, err := wire.NewBlocks()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(host.Close)
	fd, err := syscall.Dup(int(host.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(wire.BlocksVariable, strconv.Itoa(fd))
	plugin = wire.InheritBlocks()
	t.Cleanup(plugin.Close)
	return host, plugin
}
