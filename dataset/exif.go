package dataset

import (
	"bytes"
	"encoding/binary"
)

// An orientation is the value of Exif's tag 0x0112: how a picture must be turned
// to stand upright. Telephones store what the sensor saw and record here how
// they were held.
type orientation uint8

const (
	upright       orientation = 1
	mirrored      orientation = 2
	halfTurn      orientation = 3
	flipped       orientation = 4 // top and bottom exchanged
	transposed    orientation = 5
	quarterTurn   orientation = 6 // to be turned clockwise
	transversed   orientation = 7
	quarterTurned orientation = 8 // to be turned anticlockwise
)

// size returns the size of the upright picture whose stored size is w×h, or the
// other way round.
func (o orientation) size(w, h int) (int, int) {
	if o >= transposed {
		return h, w
	}
	return w, h
}

// source returns where the pixel (x, y) of the upright picture of size w×h is
// stored.
func (o orientation) source(x, y, w, h int) (int, int) {
	switch o {
	case mirrored:
		return w - 1 - x, y
	case halfTurn:
		return w - 1 - x, h - 1 - y
	case flipped:
		return x, h - 1 - y
	case transposed:
		return y, x
	case quarterTurn:
		return y, w - 1 - x
	case transversed:
		return h - 1 - y, w - 1 - x
	case quarterTurned:
		return h - 1 - y, x
	}
	return x, y
}

// jpegOrientation finds the orientation in the header of a JPEG file. Whatever
// is missing or damaged means upright: the picture itself is whole without it.
func jpegOrientation(b []byte) orientation {
	const (
		app1        = 0xe1
		startOfScan = 0xda
	)
	if len(b) < 2 {
		return upright
	}
	for b = b[2:]; len(b) >= 4 && b[0] == 0xff && b[1] != startOfScan; {
		if b[1] == 0xff { // fill byte
			b = b[1:]
			continue
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 2 || len(b) < 2+n {
			return upright
		}
		if tiff, ok := bytes.CutPrefix(b[4:2+n], []byte("Exif\x00\x00")); ok && b[1] == app1 {
			return tiffOrientation(tiff)
		}
		b = b[2+n:]
	}
	return upright
}

// tiffOrientation finds the orientation in the first directory of a TIFF block,
// the form of Exif's data.
func tiffOrientation(b []byte) orientation {
	const (
		tagOrientation = 0x0112
		typeShort      = 3
		entryBytes     = 12 // tag, type, count, value
	)
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return upright
	}
	if len(b) < 8 {
		return upright
	}
	at := order.Uint32(b[4:])
	if uint64(at)+2 > uint64(len(b)) {
		return upright
	}
	b = b[at:]
	n := int(order.Uint16(b))
	for b = b[2:]; n > 0 && len(b) >= entryBytes; n, b = n-1, b[entryBytes:] {
		if order.Uint16(b) != tagOrientation {
			continue
		}
		if v := order.Uint16(b[8:]); order.Uint16(b[2:]) == typeShort && v >= 1 && v <= 8 {
			return orientation(v)
		}
		return upright
	}
	return upright
}
