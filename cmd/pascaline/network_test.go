package main

import (
	"regexp"
	"testing"

	"pascaline/link"
)

// The help says of lan and wan what they are.
func TestNetworksAreWhatTheHelpSays(t *testing.T) {
	said := regexp.MustCompile(`(lan|wan) \((\S+)\)`).FindAllStringSubmatch(networkUsage, -1)
	if len(said) != 2 {
		t.Fatalf("the help explains %d networks", len(said))
	}
	for _, s := range said {
		name, err := link.ParseNetwork(s[1])
		if err != nil {
			t.Fatal(err)
		}
		if n, err := link.ParseNetwork(s[2]); err != nil || n != name {
			t.Errorf("%s is %+v, and %s %+v: %v", s[1], name, s[2], n, err)
		}
	}
}
