package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"pascaline/internal/figure"
)

// none is the cell of what a run does not have.
const none = "–"

// column is a column of the table.
type column struct {
	head string
	cell func(e *entry) string
	text bool // left aligned in documents
}

// columns returns those that this comparison has; a document has no folders.
func (c *comparison) columns(document bool) []column {
	var all []column
	if !document {
		all = append(all, column{"run", func(e *entry) string { return e.Folder }, true})
	}
	all = append(all, column{"network", func(e *entry) string { return e.Network }, true})
	for _, e := range c.Entries {
		if e.Data != c.Entries[0].Data {
			all = append(all, column{"data", func(e *entry) string { return e.Data }, true})
			break
		}
	}
	all = append(all,
		column{"activation", (*entry).activationName, true},
		column{"penalty", (*entry).penaltyCell, false})
	for _, e := range c.Entries {
		if len(e.Others) > 0 {
			all = append(all, column{"other options", func(e *entry) string { return strings.Join(e.Others, ", ") }, true})
			break
		}
	}
	all = append(all,
		column{"seeds", (*entry).seedsCell, false},
		column{"float", func(e *entry) string { return e.accuracyCell(e.Float) }, false},
		column{"fixed point", (*entry).fixedCell, false},
		column{"to ReLU", (*entry).toReluCell, false},
		column{"largest", func(e *entry) string {
			if e.Largest == nil {
				return none
			}
			return magnitude(*e.Largest)
		}, false},
		column{"escaped", func(e *entry) string {
			if e.Escaped == nil {
				return none
			}
			return percent(*e.Escaped)
		}, false},
		column{"training", func(e *entry) string { return duration(e.Seconds) }, false},
		column{"images/s", func(e *entry) string {
			if e.ImagesPerSecond == 0 {
				return none
			}
			return fmt.Sprintf("%.0f", e.ImagesPerSecond)
		}, false})
	return all
}

func (e *entry) penaltyCell() string {
	if e.Penalty == 0 {
		return none
	}
	return figure.Number(e.Penalty)
}

func (e *entry) seedsCell() string {
	if all := e.Seeds + len(e.Unfinished); all != e.Seeds {
		return fmt.Sprintf("%d of %d", e.Seeds, all)
	}
	return fmt.Sprint(e.Seeds)
}

// accuracyCell writes an accuracy, or how far the run is that has none yet.
func (e *entry) accuracyCell(a *spread) string {
	switch {
	case a != nil && e.Seeds > 1:
		return fmt.Sprintf("%.2f ± %.2f %%", 100*a.Mean, 100*a.Half)
	case a != nil:
		return fmt.Sprintf("%.2f %%", 100*a.Mean)
	case e.Float == nil:
		p := e.Unfinished[0]
		return fmt.Sprintf("epoch %d of %d", p.Epoch, p.Epochs)
	}
	return none
}

// fixedCell writes the accuracy in fixed point, or that a network has none whose
// values are too large.
func (e *entry) fixedCell() string {
	if e.Fixed == nil && e.Float != nil && e.degree > 0 {
		return "not compiled"
	}
	if e.Float == nil {
		return none
	}
	return e.accuracyCell(e.Fixed)
}

func (e *entry) toReluCell() string {
	switch {
	case e.ToRelu == nil:
		return none
	case *e.ToRelu < 0:
		return fmt.Sprintf("−%.2f", -100**e.ToRelu)
	}
	return fmt.Sprintf("+%.2f", 100**e.ToRelu)
}

// percent writes a share with two digits.
func percent(v float64) string {
	switch {
	case v > 0 && v < 1e-6:
		return "below 1e-4 %"
	case v >= 0.995:
		return "100 %"
	}
	return fmt.Sprintf("%.2g %%", 100*v)
}

// duration writes a time of training.
func duration(seconds float64) string {
	switch {
	case seconds < 100:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 6000:
		return fmt.Sprintf("%.1f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}

// print prints the table for a terminal.
func (c *comparison) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	columns := c.columns(false)
	for i, column := range columns {
		fmt.Fprint(t, strings.ToUpper(column.head), end(i, columns))
	}
	for _, e := range c.Entries {
		for i, column := range columns {
			fmt.Fprint(t, column.cell(e), end(i, columns))
		}
	}
	return t.Flush()
}

func end(i int, columns []column) string {
	if i == len(columns)-1 {
		return "\n"
	}
	return "\t"
}

// printMarkdown prints the table for a document, its columns aligned there and here.
func (c *comparison) printMarkdown(w io.Writer) error {
	columns := c.columns(true)
	rows := make([][]string, 2+len(c.Entries))
	for _, column := range columns {
		cells := []string{column.head, ""}
		for _, e := range c.Entries {
			cells = append(cells, strings.ReplaceAll(column.cell(e), "|", `\|`))
		}
		width := 0
		for _, cell := range cells {
			width = max(width, utf8.RuneCountInString(cell))
		}
		cells[1] = strings.Repeat("-", width)
		if !column.text {
			cells[1] = strings.Repeat("-", width-1) + ":"
		}
		for i, cell := range cells {
			space := strings.Repeat(" ", width-utf8.RuneCountInString(cell))
			if column.text {
				rows[i] = append(rows[i], cell+space)
			} else {
				rows[i] = append(rows[i], space+cell)
			}
		}
	}
	for _, row := range rows {
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | ")); err != nil {
			return err
		}
	}
	return nil
}
