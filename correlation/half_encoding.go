package correlation

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"pascaline/ring"
)

// The encoding of a half is a head and rows:
//
//	+------------+-----------+-----------+----------+--------------+----------------+
//	| header (8) | spec (64) | seed (32) | from (8) | explicit (8) | fixed columns, |
//	| kind 'H'   |           |           |          |              | where explicit |
//	+------------+-----------+-----------+----------+--------------+----------------+
//	| for each element: its words of every other explicit column, in order          |
//	+-------------------------------------------------------------------------------+
//
// Bit i of explicit says that column i is there; else it is expanded from the
// seed. So a range of elements is read with the head and its own rows. No flags
// are defined. The encoding is as secret as the half.
const (
	halfFixed = 64 + ring.SeedSize + 8 + 8
	specSize  = 64
)

// MarshalBinary encodes h: its head, then its rows.
func (h *Half) MarshalBinary() ([]byte, error) {
	if err := h.Validate(); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return h.appendTo(make([]byte, 0, h.size())), nil
}

// Encode encodes the head and the rows of h apart. Every row has
// [Half.RowSize] bytes.
func (h *Half) Encode() (head, rows []byte, err error) {
	data, err := h.MarshalBinary()
	if err != nil {
		return nil, nil, err
	}
	n := len(data) - h.Spec.N*h.RowSize()
	return data[:n:n], data[n:], nil
}

// size returns the length of the encoding of h.
func (h *Half) size() int {
	fixed, row := h.Spec.sizes(h.Party, h.explicit())
	return headerSize + halfFixed + fixed + h.Spec.N*row
}

// appendTo appends the encoding of h, which is valid.
func (h *Half) appendTo(b []byte) []byte {
	b = appendHeader(b, kindHalf, h.Party, 0)
	b = appendSpec(b, h.Spec)
	b = append(b, h.Seed[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.From))
	b = binary.LittleEndian.AppendUint64(b, h.explicit())
	columns := h.Spec.Columns(h.Party)
	for i, c := range columns {
		if c.Fixed {
			b = appendWords(b, h.Columns[i])
		}
	}
	stride := h.RowSize()
	at, end := len(b), len(b)+h.Spec.N*stride
	b = slices.Grow(b, end-at)[:end]
	for i, c := range columns {
		if h.Columns[i] != nil && !c.Fixed {
			scatter(b[at:], h.Columns[i], c.Width, stride)
			at += 8 * c.Width
		}
	}
	return b
}

// explicit returns the mask of the columns that are there.
func (h *Half) explicit() (mask uint64) {
	for i, v := range h.Columns {
		if v != nil {
			mask |= 1 << i
		}
	}
	return mask
}

// RowSize returns the bytes that one element of h takes beside the head.
func (h *Half) RowSize() int {
	_, row := h.Spec.sizes(h.Party, h.explicit())
	return row
}

// Size returns the length of the encoding of one party's half: with its columns
// that are shares of products given, or all of it expanded from a seed.
func (s Spec) Size(party int, given bool) int {
	explicit := uint64(0)
	for i, c := range s.Columns(party) {
		if c.Product && given {
			explicit |= 1 << i
		}
	}
	fixed, row := s.sizes(party, explicit)
	return headerSize + halfFixed + fixed + s.N*row
}

// sizes returns the bytes of the fixed columns and of one row.
func (s Spec) sizes(party int, explicit uint64) (fixed, row int) {
	for i, c := range s.Columns(party) {
		switch {
		case explicit>>i&1 == 0:
		case c.Fixed:
			fixed += 8 * c.Width
		default:
			row += 8 * c.Width
		}
	}
	return fixed, row
}

// scatter writes a column's elements of width words, one to each row of stride
// bytes.
func scatter(rows []byte, v []uint64, width, stride int) {
	for at := 0; len(v) > 0; at, v = at+stride, v[width:] {
		for j, x := range v[:width] {
			binary.LittleEndian.PutUint64(rows[at+8*j:], x)
		}
	}
}

// gather is the inverse of scatter.
func gather(v []uint64, rows []byte, width, stride int) {
	for at := 0; len(v) > 0; at, v = at+stride, v[width:] {
		for j := range v[:width] {
			v[j] = binary.LittleEndian.Uint64(rows[at+8*j:])
		}
	}
}

// UnmarshalHalf decodes a half of the given specification and party. Whatever
// data holds, what it returns takes no more memory than data itself and a
// kilobyte; an error wraps [ErrHalf].
func UnmarshalHalf(spec Spec, party int, data []byte) (*Half, error) {
	h, rest, err := readHead(data)
	if err == nil && (h.Spec != spec || h.Party != party) {
		err = unusable("party %d's half of %v in the place of party %d's half of %v", h.Party, h.Spec, party, spec)
	}
	if err == nil {
		err = h.readRows(rest)
	}
	if err != nil {
		return nil, fmt.Errorf("decoding %v: %w", spec.Kind, err)
	}
	return h, nil
}

// UnmarshalRange decodes elements from to to (exclusive) of a half of which head
// is the head and rows are these elements' rows. Whatever they hold, what it
// returns takes no more memory than they do and a kilobyte; an error wraps
// [ErrHalf].
func UnmarshalRange(head []byte, from, to int, rows []byte) (*Half, error) {
	h, rest, err := readHead(head)
	switch {
	case err != nil:
	case len(rest) != 0:
		err = unusable("%d bytes follow the head", len(rest))
	case from < 0 || to <= from || to > h.Spec.N:
		err = unusable("elements %d to %d of %d", from, to, h.Spec.N)
	default:
		h.Spec.N, h.From = to-from, h.From+from
		err = h.readRows(rows)
	}
	if err != nil {
		return nil, fmt.Errorf("decoding a range of a half: %w", err)
	}
	return h, nil
}

// readHead decodes a head and returns what follows it. Columns that are not
// fixed are left to readRows, those that are explicit marked by empty slices.
func readHead(data []byte) (*Half, []byte, error) {
	party, _, rest, err := readHeader(data, kindHalf, 0)
	if err != nil {
		return nil, nil, err
	}
	if len(rest) < halfFixed {
		return nil, nil, unusable("%d bytes follow its header; there are at least %d", len(rest), halfFixed)
	}
	s := sections{rest}
	h := &Half{Party: party}
	if h.Spec, err = readSpec(s.bytes(specSize)); err != nil {
		return nil, nil, err
	}
	h.Seed = s.seed()
	from, explicit := s.word(), s.word()
	columns := h.Spec.Columns(party)
	if from > uint64(MaxElements-h.Spec.N) {
		return nil, nil, unusable("%d elements from element %d of their seed; there are %d", h.Spec.N, from, MaxElements)
	}
	if explicit>>len(columns) != 0 {
		return nil, nil, unusable("explicit columns %#x of %d columns", explicit, len(columns))
	}
	h.From = int(from)
	h.Columns = make([][]uint64, len(columns))
	if fixed, _ := h.Spec.sizes(party, explicit); len(s.data) < fixed {
		return nil, nil, unusable("%d bytes follow its head; fixed columns take %d", len(s.data), fixed)
	}
	for i, c := range columns {
		switch {
		case explicit>>i&1 == 0:
		case c.Fixed:
			h.Columns[i] = s.words(c.Width)
		default:
			h.Columns[i] = []uint64{}
		}
	}
	return h, s.data, nil
}

// readRows fills the columns that readHead left.
func (h *Half) readRows(rows []byte) error {
	stride := h.RowSize()
	if len(rows) != h.Spec.N*stride {
		return unusable("rows of %d bytes, not the %d of its specification", len(rows), h.Spec.N*stride)
	}
	for i, c := range h.Spec.Columns(h.Party) {
		if h.Columns[i] == nil || c.Fixed {
			continue
		}
		h.Columns[i] = make([]uint64, h.Spec.N*c.Width)
		gather(h.Columns[i], rows, c.Width, stride)
		rows = rows[min(len(rows), 8*c.Width):]
	}
	if err := h.Validate(); err != nil {
		return unusable("%v", err)
	}
	return nil
}

// MarshalBinary encodes s in 64 bytes: kind, fixed, degree and mask bits (1
// each), layer (4), N (8), and the twelve dimensions of the shape (4 each).
func (s Spec) MarshalBinary() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return appendSpec(nil, s), nil
}

// UnmarshalSpec decodes a valid specification; an error wraps [ErrHalf].
func UnmarshalSpec(data []byte) (Spec, error) {
	if len(data) != specSize {
		return Spec{}, fmt.Errorf("decoding a specification: %w", unusable("it has %d bytes, not %d", len(data), specSize))
	}
	s, err := readSpec(data)
	if err != nil {
		return Spec{}, fmt.Errorf("decoding a specification: %w", err)
	}
	return s, nil
}

func appendSpec(b []byte, s Spec) []byte {
	fixed := byte(0)
	if s.Fixed {
		fixed = 1
	}
	b = append(b, byte(s.Kind), fixed, byte(s.Degree), byte(s.MaskBits))
	b = binary.LittleEndian.AppendUint32(b, uint32(s.Layer))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.N))
	for _, d := range shapeFields(&s.Shape) {
		b = binary.LittleEndian.AppendUint32(b, uint32(*d))
	}
	return b
}

// readSpec is the inverse of appendSpec, for specSize bytes from anywhere.
func readSpec(b []byte) (Spec, error) {
	s := Spec{Kind: Kind(b[0]), Fixed: b[1] == 1, Degree: int(b[2]), MaskBits: uint(b[3])}
	if b[1] > 1 {
		return s, unusable("its second operand is marked %d; the marks are 0 and 1", b[1])
	}
	s.Layer = int(binary.LittleEndian.Uint32(b[4:]))
	s.N = int(min(binary.LittleEndian.Uint64(b[8:]), math.MaxInt))
	for i, d := range shapeFields(&s.Shape) {
		*d = int(binary.LittleEndian.Uint32(b[16+4*i:]))
	}
	if err := s.Validate(); err != nil {
		return s, unusable("%v", err)
	}
	return s, nil
}

// shapeFields lists the dimensions of a shape in the order of the format.
func shapeFields(c *ring.ConvShape) [12]*int {
	return [12]*int{&c.H, &c.W, &c.C, &c.K, &c.KH, &c.KW, &c.StrideH, &c.StrideW, &c.PadTop, &c.PadLeft, &c.PadBottom, &c.PadRight}
}
