package dealer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"pascaline/correlation"
	"pascaline/link"
)

// Backend is the backend that has correlations dealt by a [Server]. Its zero
// value is ready.
type Backend struct {
	// Link are the settings of the connection to the dealer.
	Link link.Options
}

// version changes with every message of the exchanges, with the dealer or
// between the parties.
const version = "1"

// The names of the settings.
const (
	settingDealer    = "dealer"
	settingDealerKey = "dealer-key"
	settingKey       = "key"
	settingPeer      = "peer"
)

// Describe says what the backend is and can.
func (Backend) Describe(context.Context) (correlation.Description, error) {
	return correlation.Description{
		Name:    "dealer",
		Version: version,
		Trust:   "the dealer, not to work together with either party, for it knows both halves of all it deals (though it never sees a weight or an input); and the two parties, each of whom follows the protocol",
		Kinds:   correlation.Kinds(),
		Settings: map[string]string{
			settingDealer:    "address of the dealer, HOST:PORT",
			settingDealerKey: "public key of the dealer, or the path of a file with it",
			settingKey:       "path of this party's private key, by which the dealer knows it",
			settingPeer:      "public key of the other party, or the path of a file with it",
		},
	}, nil
}

// Open connects to the dealer, which must be there and allow this party's key.
func (b Backend) Open(ctx context.Context, r correlation.Run) (correlation.Generator, error) {
	g, err := b.open(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("opening a run of the dealer: %w", err)
	}
	return g, nil
}

func (b Backend) open(ctx context.Context, r correlation.Run) (*run, error) {
	if r.Party != 0 && r.Party != 1 {
		return nil, fmt.Errorf("party %d; there are 0 and 1", r.Party)
	}
	if err := complete(r.Settings); err != nil {
		return nil, err
	}
	address := r.Settings[settingDealer]
	if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("the dealer's address is %q; write --%s HOST:PORT", address, settingDealer)
	}
	dealer, err := link.ReadPublicKey(r.Settings[settingDealerKey])
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", settingDealerKey, err)
	}
	peer, err := link.ReadPublicKey(r.Settings[settingPeer])
	if err != nil {
		return nil, fmt.Errorf("the other party's key (setting %q): %w", settingPeer, err)
	}
	id, err := link.ReadIdentity(r.Settings[settingKey])
	if err != nil {
		return nil, fmt.Errorf("this party's key (setting %q): %w", settingKey, err)
	}
	if id.Public() == peer {
		return nil, fmt.Errorf("both parties have the key %s; give each a key of its own", peer)
	}
	conn, err := link.Dial(ctx, address, id, dealer, b.Link)
	if errors.Is(err, link.ErrRefused) {
		return nil, fmt.Errorf("the dealer at %s does not allow this party's key: ask its operator to allow it (pascaline dealer --allow %s)", address, id.Public())
	}
	if err != nil {
		return nil, fmt.Errorf("the dealer: %w", err)
	}
	if r.Progress == nil {
		r.Progress = func(float64) {}
	}
	return newRun(r, conn, id.Public(), peer), nil
}

// complete reports the settings that are missing.
func complete(settings map[string]string) error {
	var missing []string
	for _, s := range []struct{ name, text string }{
		{settingDealer, "the dealer's address (--dealer HOST:PORT)"},
		{settingDealerKey, "the dealer's public key (--dealer-key KEY)"},
		{settingKey, "the path of this party's private key (setting \"key\")"},
		{settingPeer, "the other party's public key (setting \"peer\")"},
	} {
		if settings[s.name] == "" {
			missing = append(missing, s.text)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing: %s", strings.Join(missing, ", "))
	}
	return nil
}
