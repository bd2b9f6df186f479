// Package wire is what the host of a plugin and the SDK have in common: how they
// know each other, and the messages of a run (api/backend.proto) between two
// [Stream]s. Each side takes the other for anybody: every message is checked
// against what is due before memory is taken for it.
package wire

import "github.com/hashicorp/go-plugin"

// Version is the version of the plugin protocol: of api/backend.proto and of the
// rules it states.
const Version = 1

// Handshake is how a plugin knows that pascaline has started it. The cookie is no
// secret; it keeps people from running plugins by mistake.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  Version,
	MagicCookieKey:   "PASCALINE_BACKEND",
	MagicCookieValue: "4f1b0a6c1d3be2c9a9a6c4d1b5c9d5a07c3e4f58",
}

// Service is the name under which go-plugin's server tells its health.
const Service = "plugin"

// Limits of the protocol.
const (
	// MaxTwin bounds a message between twins.
	MaxTwin = 64 << 20
	// MaxUnsent and MaxUnsentBytes bound the messages for the twin that are on
	// their way to the host or kept there; a single one may be larger.
	MaxUnsent      = 32
	MaxUnsentBytes = 8 << 20
	// MaxProgress bounds how often a plugin tells its progress in one request.
	MaxProgress = 1000

	// maxControl bounds the messages that say something small.
	maxControl = 64 << 10

	// streamWindow is how much of a run may be on its way; connectionWindow that
	// of all runs of a plugin.
	streamWindow     = 4 << 20
	connectionWindow = 16 << 20
	bufferSize       = 64 << 10
	maxHeaders       = 64 << 10
)
