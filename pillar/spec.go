package pillar

import (
	"fmt"
	"strconv"
	"strings"
)

// Spec says in short which polynomials stand in for a function: poly:4:5 are those
// of degree 4, fitted on [−5, 5]; poly:4:5:12 have coefficients over 2^12 instead
// of what AutoQ chooses; poly:4:-3..8 are fitted on [−3, 8].
type Spec struct {
	Degree int
	Lo, Hi float64
	Q      int // or AutoQ
}

// ParseSpec parses poly:DEGREE:RANGE or poly:DEGREE:RANGE:Q.
func ParseSpec(s string) (Spec, error) {
	wrong := func(format string, args ...any) (Spec, error) {
		return Spec{}, fmt.Errorf("polynomial %q: "+format, append([]any{s}, args...)...)
	}
	parts := strings.Split(s, ":")
	if parts[0] != "poly" || len(parts) < 3 || len(parts) > 4 {
		return wrong("it takes poly:DEGREE:RANGE or poly:DEGREE:RANGE:Q, like poly:4:5")
	}
	degree, err := strconv.Atoi(parts[1])
	if err != nil || degree < 1 || degree > MaxDegree {
		return wrong("the degree is %q; it must be from 1 to %d", parts[1], MaxDegree)
	}
	lo, hi, err := ParseRange(parts[2])
	if err != nil {
		return wrong("%w", err)
	}
	spec := Spec{degree, lo, hi, AutoQ}
	if len(parts) == 4 {
		if spec.Q, err = strconv.Atoi(parts[3]); err != nil || spec.Q < 0 || spec.Q > MaxQ {
			return wrong("q is %q; it must be from 0 to %d", parts[3], MaxQ)
		}
	}
	return spec, nil
}

// String returns what ParseSpec takes.
func (s Spec) String() string {
	short := fmt.Sprintf("poly:%d:%s", s.Degree, FormatRange(s.Lo, s.Hi))
	if s.Q == AutoQ {
		return short
	}
	return fmt.Sprintf("%s:%d", short, s.Q)
}

// Fit fits the function of a name.
func (s Spec) Fit(name string) (*Fitted, error) {
	f, err := Function(name)
	if err != nil {
		return nil, fmt.Errorf("fitting %s: %w", s, err)
	}
	fitted, err := Fit(Problem{Function: f, Lo: s.Lo, Hi: s.Hi, Step: StepFor(s.Lo, s.Hi), Degree: s.Degree, Q: s.Q})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return fitted, nil
}

// ParseRange parses R, which is from −R to R, or LO..HI.
func ParseRange(s string) (lo, hi float64, err error) {
	from, to, two := strings.Cut(s, "..")
	if lo, err = strconv.ParseFloat(from, 64); err == nil {
		if two {
			hi, err = strconv.ParseFloat(to, 64)
		} else {
			lo, hi = 0-lo, lo // not −0
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("the range is %q; it takes a number, like 5, or two, like -3..8", s)
	}
	return lo, hi, checkRange(lo, hi)
}

// FormatRange returns what ParseRange takes.
func FormatRange(lo, hi float64) string {
	if lo == -hi {
		return strconv.FormatFloat(hi, 'g', -1, 64)
	}
	return strconv.FormatFloat(lo, 'g', -1, 64) + ".." + strconv.FormatFloat(hi, 'g', -1, 64)
}

// StepFor returns the distance of the points where none is named: a thousandth of
// the range, so 0.01 on [−5, 5].
func StepFor(lo, hi float64) float64 { return (hi - lo) / 1000 }
