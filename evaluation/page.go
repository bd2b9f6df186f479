package evaluation

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/png"
	"io"
	"math"
	"slices"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count":     count,
	"thousands": thousands,
	"percent":   percent,
}).Parse(pageText))

const (
	// matrixClasses is up to how many classes the page has matrices, and
	// numberedClasses up to how many there are numbers in their cells.
	matrixClasses   = 100
	numberedClasses = 30
	// shownCases is how many disagreements are shown as pictures, and as many
	// mistakes.
	shownCases = 60
	// levels is how many steps a scale of colour has.
	levels = 10
)

// WritePage writes the evaluation as a page for a browser: one file, with its
// pictures in it, that asks for nothing else.
func (e *Evaluation) WritePage(w io.Writer) error {
	p, err := e.page()
	if err != nil {
		return err
	}
	return pageTemplate.Execute(w, p)
}

// page is what the template shows.
type page struct {
	*Evaluation
	Title, Date      string
	About            string // the images, in words
	Methods          []pageMethod
	Comparisons      []string
	Matrices         []matrix
	Classes          []pageClass
	MoreConfusions   []pageConfusion
	Disagreed, Wrong gallery
	Levels           []level
}

// A level is a step of the two scales of colour.
type level struct{ Step, Percent int }

type pageMethod struct {
	Name, Interval string
	*Outcome
}

// A matrix is a confusion matrix as a table.
type matrix struct {
	Name           string
	Images         int
	Open, Numbered bool
	Columns        []string
	Rows           []matrixRow
	ColumnSums     []int
	WideHeads      bool
}

type matrixRow struct {
	Name  string
	Cells []cell
	Sum   int
}

// A cell has a count, the class of its colour, and what it says in words.
type cell struct {
	N          int
	Style, Say string
}

// A pageClass is a row of the table of classes.
type pageClass struct {
	Name          string
	Images, Named int
	Accuracy      []string // by method
	Mistakes      int      // of fixed point
	Width         float64  // of the bar, in percent: their share next to the largest
	Mistaken      string
}

type pageConfusion struct {
	Label, Class string
	N            int
}

// A gallery is cases as pictures, with how many were left out.
type gallery struct {
	Cases        []pageCase
	All, LeftOut int
}

type pageCase struct {
	Name, Label string
	// TakenFor is the class that all ways of computing name, where it is wrong.
	TakenFor  string
	Tie       bool
	Picture   template.URL
	Alt       string
	W, H      int // as shown
	Pixelated bool
	Verdicts  []pageVerdict // of fixed point alone where all name the same class
}

type pageVerdict struct {
	Method string
	Class  string
	Right  bool
	Scores []pageScore
}

type pageScore struct {
	Name  string
	Logit string
	True  bool
}

func (e *Evaluation) page() (*page, error) {
	p := &page{
		Evaluation: e, Title: "Evaluation of " + e.Model, Date: e.Made.Format("2 January 2006, 15:04"),
		About: e.Data.describe(), Comparisons: e.comparisons(), Classes: e.pageClasses(),
	}
	for step := 1; step <= levels; step++ {
		// Up to where text in its own colour can still be read.
		p.Levels = append(p.Levels, level{step, 5 + 5*step})
	}
	for _, m := range e.methods() {
		p.Methods = append(p.Methods, pageMethod{m.name, fmt.Sprintf("%.2f–%.2f\u00a0%%", 100*m.Low, 100*m.High), m.Outcome})
		if len(e.Classes) <= matrixClasses {
			p.Matrices = append(p.Matrices, e.matrix(m))
		}
	}
	// The one that matters comes first: of all images, in the numbers that are
	// served.
	for i, m := range p.Matrices {
		if m.Open {
			p.Matrices[0], p.Matrices[i] = m, p.Matrices[0]
		}
	}
	if len(e.Classes) > numberedClasses {
		for _, c := range e.Fixed.frequent(2 * listed) {
			p.MoreConfusions = append(p.MoreConfusions, pageConfusion{e.class(c.label), e.class(c.class), c.n})
		}
	}
	var err error
	if p.Disagreed, err = e.gallery(e.Disagreements); err != nil {
		return nil, err
	}
	p.Wrong, err = e.gallery(e.Mistakes)
	return p, err
}

func (e *Evaluation) matrix(m method) matrix {
	t := matrix{Name: m.name, Images: m.Images, Open: m.Outcome == e.Fixed, Numbered: len(e.Classes) <= numberedClasses, Columns: e.Classes}
	for _, name := range e.Classes {
		t.WideHeads = t.WideHeads || len([]rune(name)) > 3
	}
	worst := m.worst()
	for k, row := range m.Confusion {
		images, named := m.Of(k)
		t.ColumnSums = append(t.ColumnSums, named)
		r := matrixRow{Name: e.Classes[k], Sum: images}
		for c, n := range row {
			r.Cells = append(r.Cells, cell{n, heat(share(n, images), c == k, worst), fmt.Sprintf("%s of %s that are %s: named %s", thousands(n), thousands(images), e.Classes[k], e.Classes[c])})
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

// heat names the colour of a cell that has the share v of its row: where the class
// was right by itself, and where it was wrong next to the largest such share.
func heat(v float64, right bool, worst float64) string {
	switch {
	case v == 0:
		return "zero"
	case right:
		return fmt.Sprintf("right%d", max(1, int(math.Round(levels*v))))
	}
	return fmt.Sprintf("wrong%d", int(math.Ceil(levels*v/worst)))
}

// worst returns the largest share of a class's images that were taken for one
// other.
func (o *Outcome) worst() (v float64) {
	for k := range o.Confusion {
		images, _ := o.Of(k)
		_, n := o.MistakenFor(k)
		v = max(v, share(n, images))
	}
	return v
}

func (e *Evaluation) pageClasses() (classes []pageClass) {
	worst := 0.0
	for k, name := range e.Classes {
		images, named := e.Fixed.Of(k)
		c := pageClass{Name: name, Images: images, Named: named, Mistakes: images - e.Fixed.Confusion[k][k]}
		worst = max(worst, share(c.Mistakes, images))
		for _, m := range e.methods() {
			c.Accuracy = append(c.Accuracy, e.accuracyOf(m.Outcome, k))
		}
		if other, n := e.Fixed.MistakenFor(k); n > 0 {
			c.Mistaken = fmt.Sprintf("%s (%s)", e.Classes[other], thousands(n))
		}
		classes = append(classes, c)
	}
	for k := range classes {
		if c := &classes[k]; c.Mistakes > 0 {
			c.Width = math.Round(1000*share(c.Mistakes, c.Images)/worst) / 10
		}
	}
	return classes
}

func (e *Evaluation) gallery(cases []Case) (g gallery, err error) {
	g.All, g.LeftOut = len(cases), max(0, len(cases)-shownCases)
	for _, c := range cases[:len(cases)-g.LeftOut] {
		p := pageCase{Name: c.Name, Label: e.Classes[c.Label], Tie: c.Tie, Alt: fmt.Sprintf("%s, an image of %s", c.Name, e.Classes[c.Label])}
		if p.Picture, err = e.picture(c.Image); err != nil {
			return g, fmt.Errorf("drawing %s: %w", c.Name, err)
		}
		p.W, p.H, p.Pixelated = shownSize(e.set.W, e.set.H)
		verdicts := c.verdicts()
		if !slices.ContainsFunc(verdicts, func(v spoken) bool { return v.Class != c.Fixed.Class }) {
			verdicts = []spoken{{c.Fixed, "fixed point"}}
			p.TakenFor = e.Classes[c.Fixed.Class]
		}
		for _, v := range verdicts {
			said := pageVerdict{Method: v.method, Class: e.Classes[v.Class], Right: v.Class == c.Label}
			for _, s := range v.Scores {
				said.Scores = append(said.Scores, pageScore{e.Classes[s.Class], fmt.Sprintf("%.3f", s.Logit), s.Class == c.Label})
			}
			p.Verdicts = append(p.Verdicts, said)
		}
		g.Cases = append(g.Cases, p)
	}
	return g, nil
}

// shownSize returns the size at which an image is shown: small ones enlarged by
// a whole factor, pixel by pixel, large ones made smaller.
func shownSize(w, h int) (int, int, bool) {
	const side = 140
	largest := max(w, h)
	if factor := side / largest; factor >= 1 {
		return factor * w, factor * h, true
	}
	return max(1, w*side/largest), max(1, h*side/largest), false
}

// picture returns an image of the set as a URL that holds it.
func (e *Evaluation) picture(i int) (template.URL, error) {
	img, err := e.set.Picture(i)
	if err != nil {
		return "", err
	}
	return dataURL(img)
}

// dataURL returns a PNG of img in a URL. Nothing in it is a script or comes from
// outside, whatever the pixels are.
func dataURL(img image.Image) (template.URL, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return "", err
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
}
