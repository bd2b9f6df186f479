package correlation

// Join lays halves of one pool one after the other: all columns of the result
// are explicit, and a fixed column is the first half's, so that those of a fixed
// operand must come from one batch. A single half is returned as it is.
func Join(halves []*Half) *Half {
	if len(halves) == 1 {
		return halves[0]
	}
	first := halves[0]
	all := &Half{Spec: first.Spec, Party: first.Party}
	all.Spec.N = 0
	for _, h := range halves {
		all.Spec.N += h.Spec.N
	}
	for i, c := range first.Spec.Columns(first.Party) {
		if c.Fixed {
			all.Columns = append(all.Columns, first.Column(i))
			continue
		}
		column := make([]uint64, 0, c.words(all.Spec.N))
		for _, h := range halves {
			column = append(column, h.Column(i)...)
		}
		all.Columns = append(all.Columns, column)
	}
	return all
}

// Explicit returns h with all columns explicit and without its seed, which may
// stand for more than h: what can be shown of a half without showing others.
func (h *Half) Explicit() *Half {
	all := &Half{Spec: h.Spec, Party: h.Party, Columns: make([][]uint64, len(h.Columns))}
	for i := range h.Columns {
		all.Columns[i] = h.Column(i)
	}
	return all
}
