package evaluation

import (
	"context"
	_ "embed"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

//go:embed testdata/look.html
var lookPage string

// seen is what the page look.html says of a report.
type seen struct {
	Title    string
	Dark     bool
	Pictures []struct {
		Width, Height int
		Shown         float64
		Alt           string
	}
	Methods  []struct{ Name, Accuracy string }
	Matrices []struct {
		Method              string
		Rows                [][]int
		RowSums, ColumnSums []int
	}
	Classes     int
	IDs, Labels []string
	Overflow    float64
	Faintest    struct {
		Contrast         float64
		Text, Tag, Class string
	}
	// Console has what the browser complained of, and Asked what it asked the
	// server for.
	Console, Asked []string
}

// chromium finds the browser, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no browser is here to look at the page: install Debian's chromium")
	return ""
}

// look has a browser show a report, in a window of that width.
func look(t *testing.T, report string, width int, dark bool) *seen {
	t.Helper()
	browser := chromium(t)
	s := &seen{}
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		s.Asked = append(s.Asked, r.URL.Path)
		mu.Unlock()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/" {
			w.Write([]byte(strings.ReplaceAll(lookPage, "WIDTH", strconv.Itoa(width))))
		} else {
			w.Write([]byte(report))
		}
	}))
	defer server.Close()
	args := []string{"--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir=" + t.TempDir(),
		"--enable-logging=stderr", "--log-level=0", "--window-size=1400,1000", "--dump-dom"}
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox") // which root cannot have
	}
	if dark {
		args = append(args, "--blink-settings=preferredColorScheme=0")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, append(args, server.URL+"/")...)
	var said strings.Builder
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second // for what the browser leaves running
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", browser, err, said.String())
	}
	found := regexp.MustCompile(`(?s)<pre id="seen">(.*)</pre>`).FindSubmatch(out)
	if found == nil || len(found[1]) == 0 {
		t.Fatalf("the page was not looked at:\n%.2000s\n%s", out, said.String())
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(string(found[1]))), s); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(said.String()) {
		if strings.Contains(line, ":CONSOLE") {
			s.Console = append(s.Console, line)
		}
	}
	return s
}

func TestABrowserShowsTheWholePage(t *testing.T) {
	five, many := five(t), many(t)
	if err := five.SetPrivate([][]float64{{0, 1, 0}, {0, 1, 0}}, "by hand"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		e     *Evaluation
		width int
		dark  bool
	}{{"light", five, 1200, false}, {"dark and narrow", five, 360, true}, {"many classes", many, 1000, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := look(t, pageOf(t, c.e), c.width, c.dark)
			if len(s.Console) > 0 {
				t.Errorf("the browser complains: %q", s.Console)
			}
			if !slices.Equal(s.Asked, []string{"/", "/report"}) {
				t.Errorf("it asked for %q", s.Asked)
			}
			if s.Dark != c.dark || s.Title != "Evaluation of brightest" {
				t.Errorf("dark is %v, the title %q", s.Dark, s.Title)
			}
			if want := len(c.e.Disagreements) + len(c.e.Mistakes); len(s.Pictures) != want || want == 0 {
				t.Errorf("%d pictures, want %d", len(s.Pictures), want)
			}
			for i, p := range s.Pictures {
				if p.Width != c.e.set.W || p.Height != c.e.set.H || p.Shown < 100 || p.Alt == "" {
					t.Errorf("picture %d is %d×%d, %v wide on the page, and says %q", i, p.Width, p.Height, p.Shown, p.Alt)
				}
			}
			checkMatrices(t, c.e, s)
			if s.Classes < len(c.e.Classes) {
				t.Errorf("%d rows of classes", s.Classes)
			}
			slices.Sort(s.IDs)
			if len(slices.Compact(slices.Clone(s.IDs))) != len(s.IDs) {
				t.Errorf("ids are used twice: %q", s.IDs)
			}
			for _, label := range s.Labels {
				if !slices.Contains(s.IDs, label) {
					t.Errorf("nothing is called %q, which names a section", label)
				}
			}
			if s.Overflow > 0 {
				t.Errorf("the page is %v pixels wider than its window of %d", s.Overflow, c.width)
			}
			// Level AA of WCAG 2 for text of any size.
			if s.Faintest.Contrast < 4.5 {
				t.Errorf("%+v can hardly be read", s.Faintest)
			}
		})
	}
}

func checkMatrices(t *testing.T, e *Evaluation, s *seen) {
	t.Helper()
	methods := e.methods()
	if len(s.Methods) != len(methods) || len(s.Matrices) != len(methods) || s.Matrices[0].Method != "fixed point" {
		t.Fatalf("%d ways of computing and %d matrices of %d are shown", len(s.Methods), len(s.Matrices), len(methods))
	}
	for i, m := range methods {
		if s.Methods[i].Name != m.name || s.Methods[i].Accuracy != percent(m.Accuracy) {
			t.Errorf("%s is shown as %+v, want %s", m.name, s.Methods[i], percent(m.Accuracy))
		}
		shown := 0
		for _, x := range s.Matrices {
			if x.Method != m.name {
				continue
			}
			shown++
			if !slices.EqualFunc(x.Rows, m.Confusion, slices.Equal) {
				t.Errorf("the matrix of %s is shown as %v", m.name, x.Rows)
			}
			if len(e.Classes) > numberedClasses {
				continue
			}
			all := 0
			for k := range e.Classes {
				images, named := m.Of(k)
				if x.RowSums[k] != images || x.ColumnSums[k] != named {
					t.Errorf("%s, class %d: sums %d and %d, want %d and %d", m.name, k, x.RowSums[k], x.ColumnSums[k], images, named)
				}
				all += images
			}
			if all != m.Images || x.ColumnSums[len(e.Classes)] != all {
				t.Errorf("%s: the sum of all is %d and shown as %d, want %d", m.name, all, x.ColumnSums[len(e.Classes)], m.Images)
			}
		}
		if shown != 1 {
			t.Errorf("%d matrices of %s", shown, m.name)
		}
	}
}

// What the test above relies on to fail where a page is not in order.
func TestALookAtABadPageFindsWhatIsWrong(t *testing.T) {
	s := look(t, `<!DOCTYPE html><title>bad</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<body style="background: #fff"><img alt="" src="data:image/png;base64,AAAA"><p id="x" style="width: 3000px; color: #ccc">faint</p><script>never()</script>`, 800, false)
	if len(s.Pictures) != 1 || s.Pictures[0].Width != 0 {
		t.Errorf("pictures %+v", s.Pictures)
	}
	if s.Overflow < 2000 || s.Faintest.Contrast > 2 {
		t.Errorf("overflow %v, faintest %+v", s.Overflow, s.Faintest)
	}
	if len(s.Console) == 0 {
		t.Error("a script that is not allowed is no complaint")
	}
}
