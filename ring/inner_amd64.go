package ring

import "golang.org/x/sys/cpu"

//go:generate go run ./internal/tileasm -out tile_amd64.s -stubs tile_amd64.go -pkg ring

// inners are the inner kernels of this processor, the fastest first.
var inners = available()

func available() []*inner {
	var all []*inner
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ {
		all = append(all, avx512)
	}
	if cpu.X86.HasAVX2 {
		all = append(all, avx2)
	}
	return append(all, portable)
}

var avx512 = &inner{name: "avx512", width: 16, tilers: [3][3]tiler{
	{avx512Tile1x1},
	{avx512Tile1x2, avx512Tile2x2},
	{avx512Tile1x4, avx512Tile2x4, avx512Tile3x4},
}, wide: &inner{width: 16, tilers: [3][3]tiler{
	{avx512WideTile1x1},
	{avx512WideTile1x2, avx512WideTile2x2},
	{avx512WideTile1x4, avx512WideTile2x4, avx512WideTile3x4},
}}, nested: &nested{
	tilers: [3][3]tiler{
		{avx512Tile1x4, avx512Tile2x4, avx512Tile3x4},
		{avx512Nested1x1x4, avx512Nested1x2x4, avx512Nested1x3x4},
		{avx512Nested2x1x4, avx512Nested2x2x4, avx512Nested2x3x4},
	},
	sum3: func(dst, a, b, c []uint64) { avx512Sum3(&dst[0], &a[0], &b[0], &c[0], len(dst)) },
	add: func(dst, src []uint64, step, rowStep, rows, cols int) {
		avx512AddSquare(&dst[0], &src[0], step, rowStep, rows, cols)
	},
}, peak: avx512Peak, peakWidth: 192}

var avx2 = &inner{name: "avx2", width: 8, tilers: [3][3]tiler{
	{avx2Tile1},
	{avx2Tile2},
	{avx2Tile4},
}, wide: &inner{width: 8, tilers: [3][3]tiler{
	{avx2WideTile1},
	{avx2WideTile2},
}}, copy: split, peak: avx2Peak, peakWidth: 32}

// split is avx2Split of slices of the same length.
func split(dst, src []uint64) {
	sameLength("split", len(dst), len(src))
	if len(src) > 0 {
		avx2Split(&dst[0], &src[0], len(src))
	}
}
