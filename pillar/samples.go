package pillar

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxLine bounds a line of samples, in bytes.
const maxLine = 4096

// ReadSamples reads a function as text: on every line an x and the value there,
// with a comma, a semicolon or white space between. Empty lines and what follows a
// # are skipped, and so is a first line of two names. At most MaxPoints samples are
// read.
func ReadSamples(r io.Reader) ([]Sample, error) {
	var samples []Sample
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, maxLine), maxLine)
	number, titled := 0, false
	for lines.Scan() {
		number++
		text, _, _ := strings.Cut(lines.Text(), "#")
		if number == 1 {
			text = strings.TrimPrefix(text, "\ufeff") // as spreadsheets begin a file
		}
		s, err := parseSample(text)
		switch {
		case errors.Is(err, errBlank):
			continue
		case errors.Is(err, errNames) && len(samples) == 0 && !titled:
			titled = true
			continue
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", number, err)
		case len(samples) == MaxPoints:
			return nil, fmt.Errorf("line %d: there are more than %d samples: leave some out", number, MaxPoints)
		}
		samples = append(samples, s)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d has more than %d bytes: a line holds an x and the value there", number+1, maxLine)
	case err != nil:
		return nil, err
	case len(samples) == 0:
		return nil, errors.New("there are no samples: a line holds an x and the value there, as in 0.5, 0.25")
	}
	return samples, nil
}

var (
	errBlank = errors.New("nothing")
	errNames = errors.New("neither of the two is a number")
)

func parseSample(line string) (s Sample, err error) {
	fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r,;", r) })
	if len(fields) == 0 {
		return s, errBlank
	}
	if len(fields) != 2 {
		return s, fmt.Errorf("%d values; a line holds an x and the value there", len(fields))
	}
	x, errX := strconv.ParseFloat(fields[0], 64)
	y, errY := strconv.ParseFloat(fields[1], 64)
	switch {
	case errX != nil && errY != nil:
		return s, fmt.Errorf("%q and %q: %w", fields[0], fields[1], errNames)
	case errX != nil:
		return s, fmt.Errorf("%q is no number", fields[0])
	case errY != nil:
		return s, fmt.Errorf("%q is no number", fields[1])
	}
	return Sample{x, y}, nil
}
