package online

import "fmt"

// wrongLength describes a message that does not hold exactly what its band does.
func wrongLength(msg []byte, b *band) error {
	return fmt.Errorf("holds %d bytes; %d inferences of %d elements take %d", len(msg), b.g1-b.g0, b.elements, b.bytes())
}

// longest returns the length in bytes of the longest message.
func longest(lists ...[]band) int {
	n := 0
	for _, bands := range lists {
		for i := range bands {
			n = max(n, bands[i].bytes())
		}
	}
	return n
}
