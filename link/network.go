package link

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Network is a network to emulate on one connection, the same in both
// directions. Its zero value emulates nothing.
//
// One end emulates for both: it holds back what it sends and what it receives.
// So set it at one end only; set at both, the delays add up and the narrower
// bandwidth holds. The delays come on top of the real connection's own. What is
// not emulated: the handshake of TCP, its headers (about 3 % of a full packet),
// congestion and loss.
type Network struct {
	// Delay is how long a byte is under way, in one direction: half the round
	// trip.
	Delay time.Duration
	// Bandwidth is in bit/s each way; 0 does not limit it.
	Bandwidth int64
}

// The networks that benchmarks speak of.
var (
	LAN = Network{Delay: 125 * time.Microsecond, Bandwidth: 10e9}
	WAN = Network{Delay: 50 * time.Millisecond, Bandwidth: 100e6}
)

const (
	maxDelay     = 10 * time.Second
	minBandwidth = 1_000
	maxBandwidth = 1e12
)

// bandwidthUnits are tried in this order: each is a suffix of the last.
var bandwidthUnits = []struct {
	name string
	unit float64
}{{"Gbit/s", 1e9}, {"Mbit/s", 1e6}, {"kbit/s", 1e3}, {"bit/s", 1}}

// ParseNetwork reads "loopback" (or nothing), "lan", "wan", or a one-way delay, a
// bandwidth or both: "50ms", "1Gbit/s", "0.5ms,100Mbit/s".
func ParseNetwork(text string) (Network, error) {
	switch strings.TrimSpace(text) {
	case "", "loopback":
		return Network{}, nil
	case "lan":
		return LAN, nil
	case "wan":
		return WAN, nil
	}
	var n Network
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if bits, ok, err := parseBandwidth(part); ok {
			if err == nil && n.Bandwidth != 0 {
				err = fmt.Errorf("it has two bandwidths")
			}
			if err != nil {
				return Network{}, fmt.Errorf("network %q: %w", text, err)
			}
			n.Bandwidth = bits
			continue
		}
		d, err := time.ParseDuration(part)
		if err != nil {
			return Network{}, fmt.Errorf("network %q: %q is neither loopback, lan or wan, nor a one-way delay such as 50ms, nor a bandwidth such as 100Mbit/s", text, part)
		}
		if n.Delay != 0 {
			return Network{}, fmt.Errorf("network %q: it has two delays", text)
		}
		n.Delay = d
	}
	if err := n.validate(); err != nil {
		return Network{}, fmt.Errorf("network %q: %w", text, err)
	}
	return n, nil
}

// parseBandwidth reports whether text has the unit of a bandwidth, and reads it.
func parseBandwidth(text string) (bits int64, ok bool, err error) {
	for _, u := range bandwidthUnits {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v*u.unit >= minBandwidth && v*u.unit <= maxBandwidth) {
			return 0, true, fmt.Errorf("bandwidth %q: a number from 1kbit/s to 1000Gbit/s is due", text)
		}
		return int64(v * u.unit), true, nil
	}
	return 0, false, nil
}

func (n Network) validate() error {
	switch {
	case n.Delay < 0 || n.Delay > maxDelay:
		return fmt.Errorf("the delay is %v; it must be from 0 to %v", n.Delay, maxDelay)
	case n.Bandwidth != 0 && (n.Bandwidth < minBandwidth || n.Bandwidth > maxBandwidth):
		return fmt.Errorf("the bandwidth is %d bit/s; it must be 0 for no limit, or from 1 kbit/s to 1000 Gbit/s", n.Bandwidth)
	}
	return nil
}

// String returns what [ParseNetwork] reads.
func (n Network) String() string {
	switch n {
	case Network{}:
		return "loopback"
	case LAN:
		return "lan"
	case WAN:
		return "wan"
	}
	var parts []string
	if n.Delay != 0 {
		parts = append(parts, n.Delay.String())
	}
	if n.Bandwidth != 0 {
		for _, u := range bandwidthUnits {
			if float64(n.Bandwidth) >= u.unit {
				parts = append(parts, strconv.FormatFloat(float64(n.Bandwidth)/u.unit, 'f', -1, 64)+u.name)
				break
			}
		}
	}
	return strings.Join(parts, ",")
}

// transmission returns how long n bytes occupy the link.
func (n Network) transmission(bytes int) time.Duration {
	if n.Bandwidth == 0 {
		return 0
	}
	return time.Duration(int64(bytes) * 8 * int64(time.Second) / n.Bandwidth)
}
