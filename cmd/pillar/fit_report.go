package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

func (r *fitReport) print(plot string) error {
	weight := ""
	if r.Weight != "uniform" {
		weight = ", weight " + r.Weight
	}
	fmt.Printf("%s on [%v, %v], %d points%s: degree %d, q = %d\n\n", r.Function, r.Lo, r.Hi, r.Points, weight, r.Degree, r.Q)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "k\tα_k\tα_k/2^%d\tREAL OPTIMUM\n", r.Q)
	for k, a := range r.Alpha {
		c := 0.0
		if k < len(r.Coefficients) {
			c = r.Coefficients[k]
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%.9g\n", k, a, number(c), r.Real[k])
	}
	fmt.Fprintf(w, "\n\tRMS ERROR\tLARGEST\tAT\n")
	for _, e := range []struct {
		what string
		fitErrors
	}{
		{"this polynomial", r.Errors}, {"the real optimum", r.RealErrors}, {"the real optimum, rounded", r.Rounded},
	} {
		fmt.Fprintf(w, "%s\t%.4g\t%.4g\t%.4g\n", e.what, e.RMS, e.Max, e.MaxAt)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\noptimal: %d nodes enumerated, none better\n", r.Nodes)
	if top := len(r.Coefficients) - 1; top < r.Degree {
		fmt.Printf("degree %d gains nothing over degree %d here%s\n", r.Degree, top, r.remedy(top))
	}
	fmt.Printf("\nPyTorch:  lambda x: %s\n", r.Python)
	if r.Activation != "" {
		fmt.Printf("ONNX:     pascaline model import --activation %s\n", r.Activation)
	}
	if plot != "" {
		fmt.Printf("plot:     %s\n", plot)
	}
	return nil
}

// remedy says what makes use of the powers above top: a larger q, unless the
// function has none of them, as odd ones have no even powers.
func (r *fitReport) remedy(top int) string {
	bound := max(math.Abs(r.Lo), math.Abs(r.Hi))
	for k := top + 1; k <= r.Degree; k++ {
		if math.Abs(r.Real[k])*math.Pow(bound, float64(k)) > 1e-9*r.RealErrors.RMS {
			return "; a larger --q may"
		}
	}
	return ", whatever q is"
}

// python returns a polynomial of x by Horner's rule, which one multiplication for
// each power evaluates.
func python(coeffs []float64) string {
	last := len(coeffs) - 1
	s := number(coeffs[last])
	for k := last - 1; k >= 0; k-- {
		if k < last-1 {
			s = "(" + s + ")"
		}
		s = "x * " + s
		if coeffs[k] != 0 {
			s = number(coeffs[k]) + " + " + s
		}
	}
	return s
}

// number writes a coefficient with all its digits.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if len(s) > 20 {
		s = strconv.FormatFloat(v, 'g', -1, 64)
	}
	if v != 0 && !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}
