package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/internal/figure"
	"pascaline/pillar"
)

type fitFlags struct {
	degree, q     int
	bounds        string
	step          float64
	weight        string
	samples, plot string
	asJSON        bool

	auto, autoStep bool // q, and the step, are not given
}

func fitCommand() *cobra.Command {
	var f fitFlags
	cmd := &cobra.Command{
		Use:   "fit FUNCTION",
		Short: "Fit a polynomial with integer coefficients to an activation function",
		Long: `Fit finds the polynomial Σ α_k x^k / 2^q, with integers α_k, that is closest to a
function: no other such polynomial has a smaller sum of squared errors over the
points of the range. The search proves it by excluding all others.

Functions are ` + strings.Join(pillar.Names(), ", ") + `; --samples fits another one where it was
sampled: a text file with an x and the value there on every line. --weight makes
errors count where inputs are frequent.`,
		Example: `  pillar fit relu --degree 4 --range 5
  pillar fit gelu --degree 6 --range -4..4 --weight normal:1.5 --plot gelu.png
  pillar fit --samples swish.csv --degree 4 --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.samples != "" {
				return commandline.NoArguments("the function is in the file of --samples")(cmd, args)
			}
			return commandline.OneArgument("a function ("+strings.Join(pillar.Names(), ", ")+") or --samples")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.auto, f.autoStep = !cmd.Flags().Changed("q"), !cmd.Flags().Changed("step")
			for _, flag := range []string{"range", "step"} {
				if f.samples != "" && cmd.Flags().Changed(flag) {
					return fmt.Errorf("--%s goes with a function that can be computed anywhere; samples are fitted where they are", flag)
				}
			}
			return f.run(strings.Join(args, ""))
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.degree, "degree", 4, fmt.Sprintf("the highest power, up to %d", pillar.MaxDegree))
	flags.StringVar(&f.bounds, "range", "5", "where the function is fitted: 5 is from -5 to 5, or -3..8")
	flags.IntVar(&f.q, "q", 0, "binary places of the coefficients (the fewest from 10 that cost little)")
	flags.Float64Var(&f.step, "step", 0, "distance of the points (a thousandth of the range)")
	flags.StringVar(&f.weight, "weight", "uniform", "how errors count: uniform, or normal:WIDTH for inputs of this standard deviation")
	flags.StringVar(&f.samples, "samples", "", "fit the function in this file: lines of an x and the value there")
	flags.StringVar(&f.plot, "plot", "", "draw function, polynomial and error to this PNG file")
	flags.BoolVar(&f.asJSON, "json", false, "print the result as JSON")
	return cmd
}

// fitReport is the JSON form of a fit.
type fitReport struct {
	Function     string    `json:"function"`
	Lo           float64   `json:"lo"`
	Hi           float64   `json:"hi"`
	Points       int       `json:"points"`
	Weight       string    `json:"weight"`
	Degree       int       `json:"degree"`
	Q            int       `json:"q"`
	Alpha        []int64   `json:"alpha"`
	Coefficients []float64 `json:"coefficients"`
	Real         []float64 `json:"real_optimum"`
	Objective    float64   `json:"objective"`
	Nodes        int       `json:"nodes"`
	Errors       fitErrors `json:"errors"`
	RealErrors   fitErrors `json:"real_optimum_errors"`
	Rounded      fitErrors `json:"rounded_errors"`
	Python       string    `json:"python"`
	Activation   string    `json:"activation,omitempty"` // for pascaline model import
}

type fitErrors struct {
	RMS   float64 `json:"rms"`
	Max   float64 `json:"max"`
	MaxAt float64 `json:"max_at"`
}

func (f *fitFlags) run(function string) error {
	if f.plot != "" {
		if err := figure.CheckPath(f.plot); err != nil {
			return fmt.Errorf("--plot %s: %w", f.plot, err)
		}
	}
	problem, err := f.problem(function)
	if err != nil {
		return err
	}
	if f.samples != "" {
		function = filepath.Base(f.samples)
	}
	fitted, err := pillar.Fit(*problem)
	if err != nil {
		return fmt.Errorf("%s: %w", function, err)
	}
	rounded, err := problem.Measure(fitted.Rounded())
	if err != nil {
		return err
	}
	r := fitReport{
		Function: function, Lo: problem.Lo, Hi: problem.Hi, Points: fitted.Points, Weight: f.weight,
		Degree: f.degree, Q: fitted.Q, Alpha: fitted.Alpha, Coefficients: fitted.Coeffs(), Real: fitted.Real,
		Objective: fitted.Objective, Nodes: fitted.Nodes,
		Errors: fitErrors(fitted.Errors), RealErrors: fitErrors(fitted.RealErrors), Rounded: fitErrors(rounded),
		Python: python(fitted.Coeffs()), Activation: f.activation(function, problem, len(fitted.Coeffs())-1),
	}
	if f.plot != "" {
		if err := plotFit(f.plot, &r, problem, fitted); err != nil {
			return fmt.Errorf("--plot %s: %w", f.plot, err)
		}
	}
	if f.asJSON {
		return printJSON(r)
	}
	return r.print(f.plot)
}

// problem returns what the flags ask for. Lo and Hi are those of samples, too.
func (f *fitFlags) problem(function string) (*pillar.Problem, error) {
	p := &pillar.Problem{Degree: f.degree, Q: f.q}
	switch {
	case f.auto:
		p.Q = pillar.AutoQ
	case f.q < 0 || f.q > pillar.MaxQ:
		return nil, fmt.Errorf("--q is %d; it must be from 0 to %d", f.q, pillar.MaxQ)
	}
	if f.degree < 1 || f.degree > pillar.MaxDegree {
		return nil, fmt.Errorf("--degree is %d; it must be from 1 to %d", f.degree, pillar.MaxDegree)
	}
	var err error
	if p.Weight, err = parseWeight(f.weight); err != nil {
		return nil, fmt.Errorf("--weight is %q: %w", f.weight, err)
	}
	if f.samples != "" {
		if p.Samples, err = readSamples(f.samples); err != nil {
			return nil, fmt.Errorf("--samples %s: %w", f.samples, err)
		}
		p.Lo, p.Hi = p.Samples[0].X, p.Samples[0].X
		for _, s := range p.Samples {
			p.Lo, p.Hi = min(p.Lo, s.X), max(p.Hi, s.X)
		}
		return p, nil
	}
	if p.Function, err = pillar.Function(function); err != nil {
		return nil, fmt.Errorf("%w; another one goes with --samples", err)
	}
	if p.Lo, p.Hi, err = pillar.ParseRange(f.bounds); err != nil {
		return nil, fmt.Errorf("--range: %w", err)
	}
	if p.Step = f.step; f.autoStep {
		p.Step = pillar.StepFor(p.Lo, p.Hi)
	}
	return p, nil
}

func readSamples(path string) ([]pillar.Sample, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err) // the path is in ours
	}
	defer file.Close()
	return pillar.ReadSamples(file)
}

// parseWeight parses uniform or normal:WIDTH.
func parseWeight(s string) (func(float64) float64, error) {
	if s == "uniform" {
		return nil, nil
	}
	width, ok := strings.CutPrefix(s, "normal:")
	w, err := strconv.ParseFloat(width, 64)
	if !ok || err != nil {
		return nil, errors.New("it takes uniform, or normal:WIDTH, like normal:2")
	}
	return pillar.Normal(w)
}

// activation returns what has pascaline model import fit the same polynomial, or
// nothing where it does not fit such ones, or a model cannot have it for its degree.
func (f *fitFlags) activation(function string, p *pillar.Problem, degree int) string {
	if f.samples != "" || f.weight != "uniform" || p.Step != pillar.StepFor(p.Lo, p.Hi) || degree < 2 {
		return ""
	}
	return function + "=" + pillar.Spec{Degree: f.degree, Lo: p.Lo, Hi: p.Hi, Q: p.Q}.String()
}
