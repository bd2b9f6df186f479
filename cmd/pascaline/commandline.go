package main

import (
	"fmt"
	"net"
	"strconv"
)

// checkAddress checks the form of an address, so that its error can name the
// flag. An address to listen on needs no host, and its port may be 0.
func checkAddress(flag, address string, listen bool) error {
	host, port, err := net.SplitHostPort(address)
	n, err2 := strconv.ParseUint(port, 10, 16)
	if err != nil || err2 != nil || !listen && (host == "" || n == 0) {
		return fmt.Errorf("--%s is %q; it takes HOST:PORT, like 127.0.0.1:7100", flag, address)
	}
	return nil
}

// count writes a number with what it counts: "1 bundle", "2 bundles".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
