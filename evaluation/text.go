package evaluation

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"pascaline/bench"
)

const (
	// tableClasses is up to how many classes the confusion matrix is printed.
	tableClasses = 20
	// listed is how many classes, confusions and disagreements are printed where
	// not all are.
	listed = 10
)

// WriteText writes the evaluation for a terminal.
func (e *Evaluation) WriteText(w io.Writer) error {
	out := &printer{w: w}
	out.printf("model  %s (plan %.12s)\n", e.Model, e.Plan)
	out.printf("data   %s, split %s: %s\n\n", e.Data.Name, e.Data.Split, e.Data.describe())
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\tACCURACY\t95 % INTERVAL\tRIGHT\t\n")
	for _, m := range e.methods() {
		fmt.Fprintf(t, "%s\t%s\t%s to %s\t%d of %d\t%s\n", m.name, percent(m.Accuracy), percent(m.Low), percent(m.High), m.Right, m.Images, m.How)
	}
	t.Flush()
	out.printf("\n")
	for _, s := range e.comparisons() {
		out.printf("%s\n", s)
	}
	out.printf("\nfixed point, true class by row, what was named by column:\n\n")
	if len(e.Classes) <= tableClasses {
		e.printMatrix(out)
	} else {
		e.printExtremes(out)
	}
	e.printDisagreements(out)
	return out.err
}

// A printer keeps the first error. What no terminal should get, it replaces: names are
// those of files and folders, which may come from anywhere.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

func (p *printer) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	_, p.err = p.w.Write(bytes.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, b))
	return len(b), p.err
}

// A method is a way of computing that was judged.
type method struct {
	*Outcome
	name string
}

// methods returns what has been judged.
func (e *Evaluation) methods() (all []method) {
	for _, m := range []method{{e.Float, "float"}, {e.Fixed, "fixed point"}, {e.Private, "private"}} {
		if m.Outcome != nil {
			all = append(all, m)
		}
	}
	return all
}

func (d *Data) describe() string {
	if d.LeftOut() == 0 {
		return fmt.Sprintf("all %s (%s)", count(d.Of, "image"), d.Format)
	}
	return fmt.Sprintf("the first %s of %s (%s), %s left out", thousands(d.Images), count(d.Of, "image"), d.Format, thousands(d.LeftOut()))
}

// comparisons says in a sentence each how the ways of computing agree.
func (e *Evaluation) comparisons() (sentences []string) {
	for _, c := range []struct {
		what string
		*bench.Check
	}{{"fixed point against float", e.FixedFloat}, {"private against fixed point", e.PrivateFixed}} {
		if c.Check == nil {
			continue
		}
		s := fmt.Sprintf("%s: the same class on %s of %s", c.what, thousands(c.Agree), thousands(c.Of))
		if c.Ties > 0 {
			s += fmt.Sprintf(", one that ties with it on %s", thousands(c.Ties))
		}
		if n := c.Of - c.Agree - c.Ties; n > 0 {
			s += fmt.Sprintf(", another on %s", thousands(n))
		}
		sentences = append(sentences, s+fmt.Sprintf("; logits within %.4f, where they range over %.1f", c.Difference, c.Range))
	}
	return sentences
}

// printMatrix prints the confusion matrix with the classes' accuracies.
func (e *Evaluation) printMatrix(out *printer) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for k := range e.Classes {
		fmt.Fprintf(t, "\t%d", k)
	}
	fmt.Fprint(t, "\taccuracy\tof\t\n")
	for k := range e.Classes {
		fmt.Fprint(t, e.class(k))
		for _, n := range e.Fixed.Confusion[k] {
			if n == 0 {
				fmt.Fprint(t, "\t·")
			} else {
				fmt.Fprintf(t, "\t%d", n)
			}
		}
		images, _ := e.Fixed.Of(k)
		fmt.Fprintf(t, "\t%s\t%d\t\n", e.accuracyOf(e.Fixed, k), images)
	}
	t.Flush()
}

// accuracyOf returns the accuracy on one class, as text.
func (e *Evaluation) accuracyOf(o *Outcome, class int) string {
	images, _ := o.Of(class)
	if images == 0 {
		return "–"
	}
	return percent(share(o.Confusion[class][class], images))
}

// class names a class by its number, and by its name where that says more.
func (e *Evaluation) class(k int) string {
	if number := strconv.Itoa(k); e.Classes[k] != number {
		return number + " " + e.Classes[k]
	}
	return e.Classes[k]
}

// printExtremes prints what stands out in a matrix that is too large to print.
func (e *Evaluation) printExtremes(out *printer) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "CLASSES OF LOWEST ACCURACY\t\t\n")
	for _, k := range e.worstClasses(listed) {
		images, _ := e.Fixed.Of(k)
		fmt.Fprintf(t, "%s\t%s\tof %d\n", e.class(k), e.accuracyOf(e.Fixed, k), images)
	}
	fmt.Fprint(t, "\t\t\nMOST FREQUENT MISTAKES\t\t\n")
	for _, c := range e.Fixed.frequent(listed) {
		fmt.Fprintf(t, "%s\tnamed %s\t%d\n", e.class(c.label), e.class(c.class), c.n)
	}
	t.Flush()
	out.printf("\nthe whole matrix is in --json and --report\n")
}

// worstClasses returns up to n classes that have images, by their accuracy in
// fixed point, the lowest first.
func (e *Evaluation) worstClasses(n int) (classes []int) {
	accuracy := make([]float64, len(e.Classes))
	for k := range e.Classes {
		if images, _ := e.Fixed.Of(k); images > 0 {
			accuracy[k] = share(e.Fixed.Confusion[k][k], images)
			classes = append(classes, k)
		}
	}
	slices.SortStableFunc(classes, func(a, b int) int { return cmp.Compare(accuracy[a], accuracy[b]) })
	return classes[:min(n, len(classes))]
}

// A confusion is a mistake that was made n times.
type confusion struct{ label, class, n int }

// frequent returns the up to n most frequent mistakes.
func (o *Outcome) frequent(n int) (all []confusion) {
	for label, row := range o.Confusion {
		for class, m := range row {
			if class != label && m > 0 {
				all = append(all, confusion{label, class, m})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b confusion) int { return b.n - a.n })
	return all[:min(n, len(all))]
}

func (e *Evaluation) printDisagreements(out *printer) {
	for i, c := range e.Disagreements {
		switch i {
		case 0:
			out.printf("\ndisagreements:\n")
		case listed:
			out.printf("  and %d more, in --json and --report\n", len(e.Disagreements)-listed)
			return
		}
		out.printf("  %s, which is %s: ", c.Name, e.class(c.Label))
		var said []string
		for _, v := range c.verdicts() {
			said = append(said, fmt.Sprintf("%s %s (%s)", v.method, e.class(v.Class), e.scores(v.Verdict)))
		}
		out.printf("%s", strings.Join(said, "; "))
		if c.Tie {
			out.printf("; a tie")
		}
		out.printf("\n")
	}
}

// A spoken verdict is one with the name of what gave it.
type spoken struct {
	*Verdict
	method string
}

func (c *Case) verdicts() (all []spoken) {
	for _, v := range []spoken{{c.Float, "float"}, {c.Fixed, "fixed point"}, {c.Private, "private"}} {
		if v.Verdict != nil {
			all = append(all, v)
		}
	}
	return all
}

// scores writes the two largest logits.
func (e *Evaluation) scores(v *Verdict) string {
	return fmt.Sprintf("%.3f, then %s with %.3f", v.Scores[0].Logit, e.Classes[v.Scores[1].Class], v.Scores[1].Logit)
}

func percent(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }

// count writes a number with what it counts: "1 image", "10,000 images".
func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		noun += "e"
	}
	return thousands(n) + " " + noun + "s"
}

// thousands writes a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
