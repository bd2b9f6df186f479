package ring

// A tile is the work of one call of an inner kernel: the products of a few
// pixels, in up to three groups of one, two or four, by one panel of weights, as
// wide as the inner kernel likes. A pixel needs rows×cols runs of run inputs;
// they may overlap those of others.
//
// Assembly reads the fields by their offsets, and only the pointers of in and
// out: whoever fills a tile answers for the lengths. Steps and skips are in
// elements.
type tile struct {
	w                []int16     // [rows][cols][run][width]
	wide             []uint64    // weights mod 2^64, instead of w
	in, out          [3][]uint64 // of each group, from its first pixel on
	inStep, outStep  int         // between the pixels of a group
	rows, cols, run  int
	colSkip, rowSkip int // from the end of a run to the next, and to that of the next row
	// Where inner kernels that multiply by differences find the other weights and
	// outputs.
	wNext, outNext [2]int
}

// A tiler adds the products of a tile to its out.
type tiler func(*tile)

// inner is a family of inner kernels for one sort of processor.
type inner struct {
	name  string
	width int // output channels of a panel
	// tilers[l][n-1] takes n groups of 2^l pixels; nil where there is none.
	tilers [3][3]tiler
	// copy, if it is not nil, copies inputs to the form that the tilers take;
	// otherwise they take them as they are.
	copy func(dst, src []uint64)
	// wide is for weights mod 2^64.
	wide *inner
	// nested is what [karatsuba] needs; nil where there is none.
	nested *nested
	// peak makes n·peakWidth products and sums in registers and nothing else.
	peak      func(n int) uint64
	peakWidth int
}

// mostGroups returns the number of groups of 2^l pixels that a tile can hold.
func (in *inner) mostGroups(l int) int {
	for n := range in.tilers[l] {
		if in.tilers[l][n] == nil {
			return n
		}
	}
	return len(in.tilers[l])
}

// lanes returns the logarithm of the best number of pixels of a group for lines
// of n pixels, and what a line costs in that many. The last group of a line may
// lack pixels; small groups widen the weights more often.
func (in *inner) lanes(n int) (log, cost int) {
	for l := range in.tilers {
		groups := (n + 1<<l - 1) >> l
		if c := groups * (4<<l + 1); l == 0 || c <= cost && in.tilers[l][0] != nil {
			log, cost = l, c
		}
	}
	return log, cost
}
