//go:build !amd64

package offline

func vectorForm(*residueForm, []uint64, [][]uint64) int { return 0 }

func vectorDot(_ []uint64, _, _ [][]uint64, _, _ uint64) int { return 0 }

func vectorFraction(_, _, _ []uint64, _, _, _ uint64, _ *[3]uint64) int { return 0 }

func vectorHalves([]uint64) int { return 0 }
