package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// pngCRC returns the checksum of a PNG chunk, type and data.
func pngCRC(b []byte) string {
	return string(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)))
}

func idxBytes(data []byte, dims ...uint32) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, data...)
}

func gzipBytes(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func sequence(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(11 * i)
	}
	return b
}

func TestIDXFilesComeBackExactlyCompressedOrNot(t *testing.T) {
	dir := t.TempDir()
	data := sequence(5 * 3 * 4)
	images, labels := idxBytes(data, 5, 3, 4), idxBytes([]byte{9, 8, 7, 6, 5}, 5)
	plain, plainLabels := write(t, filepath.Join(dir, "i"), images), write(t, filepath.Join(dir, "l"), labels)
	packed, packedLabels := write(t, filepath.Join(dir, "i.gz"), gzipBytes(t, images)), write(t, filepath.Join(dir, "l.gz"), gzipBytes(t, labels))
	for _, c := range []struct {
		images, labels string
		limit, n       int
	}{{plain, plainLabels, 0, 5}, {packed, packedLabels, 0, 5}, {plain, packedLabels, 2, 2}, {packed, "", 9, 5}, {packed, "", 1, 1}} {
		set, err := ReadIDX(c.images, c.labels, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(set) != c.n {
			t.Fatalf("%d images, want %d", len(set), c.n)
		}
		for i, im := range set {
			label := NoLabel
			if c.labels != "" {
				label = 9 - i
			}
			if im.H != 3 || im.W != 4 || im.C != 1 || im.Label != label || im.Name != fmt.Sprintf("%s#%d", filepath.Base(c.images), i) {
				t.Fatalf("image %d is %d×%d×%d, label %d, name %s", i, im.H, im.W, im.C, im.Label, im.Name)
			}
			for j, v := range im.Pixels {
				if v != float32(data[12*i+j])/255 {
					t.Fatalf("image %d, pixel %d is %v", i, j, v)
				}
			}
		}
	}
}

func TestDamagedIDXFilesAreErrorsThatSayWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	good := idxBytes(sequence(24), 2, 3, 4)
	packed := gzipBytes(t, good)
	badSum := bytes.Clone(packed)
	badSum[len(badSum)-5] ^= 1
	badDeflate := bytes.Clone(packed)
	badDeflate[10] |= 0x06 // a block of the reserved type
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"cut":        {good[:len(good)-1], "ends in item 2 of 2"},
		"long":       {append(bytes.Clone(good), 0), "goes on after its 2 items"},
		"header":     {good[:9], "ends in its header"},
		"empty":      {nil, "ends in its header"},
		"text":       {[]byte("hello, world"), "not an IDX file"},
		"labels":     {idxBytes([]byte{1, 2}, 2), "it holds labels"},
		"dimensions": {idxBytes(nil, 1, 2, 3, 4), "it has 4 dimensions"},
		"float":      {[]byte("\x00\x00\x0d\x03\x00\x00\x00\x01"), "type 0x0d"},
		"none":       {idxBytes(nil, 0, 28, 28), "0 items"},
		"flat":       {idxBytes(nil, 1, 0, 28), "from 1 to"},
		"wide":       {idxBytes(nil, 1, 28, 1<<31), "from 1 to"},
		"many":       {idxBytes(nil, 1<<32-1, 28, 28), "1 GiB"},
		"cutgzip":    {packed[:len(packed)-12], "copy it again"},
		"trailer":    {packed[:len(packed)-3], "damaged"},
		"checksum":   {badSum, "checksum"},
		"deflate":    {badDeflate, "damaged"},
		"gzipheader": {packed[:5], "damaged"},
		"gziptext":   {gzipBytes(t, []byte("hello, world")), "not an IDX file"},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := ReadIDX(write(t, filepath.Join(dir, name), c.b), "", 0)
			wantError(t, err, c.want, name)
			if len(set) > 2 {
				t.Errorf("%d images of a damaged file", len(set))
			}
		})
	}
	images := write(t, filepath.Join(dir, "images"), good)
	_, err := ReadIDX(images, write(t, filepath.Join(dir, "three"), idxBytes([]byte{1, 2, 3}, 3)), 0)
	wantError(t, err, "2 images", "3 labels", "one set")
	_, err = ReadIDX(images, images, 0)
	wantError(t, err, "it holds images")
	_, err = ReadIDX(images, filepath.Join(dir, "absent"), 0)
	wantError(t, err, "absent")
	_, err = ReadIDX(images, "", -1)
	wantError(t, err, "limit")
}

func TestALyingHeaderTakesNoMemory(t *testing.T) {
	// 300,000 images promised, in the limits, and none there.
	path := write(t, filepath.Join(t.TempDir(), "lie"), idxBytes(nil, 300_000, 28, 28))
	taken := memoryOf(func() {
		if _, err := ReadIDX(path, "", 0); err == nil {
			t.Error("no error")
		}
	})
	if taken > 1<<20 {
		t.Errorf("refusing it took %d bytes of memory", taken)
	}
}

// memoryOf returns the bytes that f allocates.
func memoryOf(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// zeros gives n zeros.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestAGzipBombIsReadNoFurtherThanItsHeaderSays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bomb.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	z.Write(idxBytes(nil, 1, 28, 28))
	if _, err := io.Copy(z, zeros(16<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	x, err := openIDX(path, idxImages)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	counted := &countingReader{r: x.r}
	x.r = counted
	if err := x.next(make([]byte, 784)); err != nil {
		t.Fatal(err)
	}
	wantError(t, x.end(), "goes on after its 1 items")
	if counted.n > 785 {
		t.Errorf("%d bytes were read", counted.n)
	}
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

// shared returns a file of the data sets beside the checkout.
func shared(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the data set is not beside the checkout: %v", err)
	}
	return path
}

func TestMNISTAndFashionMNISTAreRead(t *testing.T) {
	for _, set := range []string{"mnist", "fashion-mnist"} {
		images, err := ReadIDX(shared(t, set+"/t10k-images-idx3-ubyte.gz"), shared(t, set+"/t10k-labels-idx1-ubyte.gz"), 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(images) != 10_000 {
			t.Fatalf("%s: %d images", set, len(images))
		}
		var perClass [10]int
		for _, im := range images {
			if im.H != 28 || im.W != 28 || im.C != 1 || im.Label < 0 || im.Label > 9 {
				t.Fatalf("%s: %s is %d×%d×%d, label %d", set, im.Name, im.H, im.W, im.C, im.Label)
			}
			perClass[im.Label]++
		}
		if set == "mnist" && perClass != [10]int{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009} {
			t.Errorf("%s: images per class are %v", set, perClass)
		}
	}
}

func TestMNISTIsLightOnDarkAndItsNegativeIsNot(t *testing.T) {
	o := mnistSize
	o.Limit = 2000
	for _, invert := range []bool{false, true} {
		o.Invert = invert
		set, err := Read(o, shared(t, "mnist/t10k-images-idx3-ubyte.gz"))
		if err != nil {
			t.Fatal(err)
		}
		wrong := 0
		for _, im := range set {
			if im.DarkOnLight() != invert {
				wrong++
			}
		}
		if wrong > 0 {
			t.Errorf("invert %v: the hint is wrong for %d of %d", invert, wrong, len(set))
		}
	}
}

func FuzzIDX(f *testing.F) {
	good := idxBytes(sequence(24), 2, 3, 4)
	f.Add(good, idxImages)
	f.Add(good[:20], idxImages)
	f.Add(idxBytes([]byte{1, 2, 3}, 3), idxLabels)
	f.Add(gzipBytes(f, good), idxImages)
	f.Add(idxBytes(nil, 1<<32-1, 1<<32-1, 1<<32-1), idxImages)
	f.Fuzz(func(t *testing.T, b []byte, dims int) {
		if dims != idxImages {
			dims = idxLabels
		}
		x, err := newIDX("fuzz", bytes.NewReader(b), dims)
		if err != nil {
			return
		}
		item := make([]byte, min(x.itemLen(), 1<<20))
		for range x.n {
			if x.next(item) != nil {
				return
			}
		}
		x.end()
	})
}
