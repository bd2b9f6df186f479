package wire

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/ring"
)

var shape = ring.ConvShape{H: 6, W: 5, C: 3, K: 4, KH: 3, KW: 2, StrideH: 2, StrideW: 1, PadTop: 1, PadLeft: 2, PadBottom: 3, PadRight: 4}

func TestRunsComeBack(t *testing.T) {
	for party := range 2 {
		run := correlation.Run{
			Party:    party,
			Layers:   []correlation.Layer{{Shape: shape}, {Shape: ring.LinearShape(2, 3)}},
			Settings: map[string]string{"seed": "/a path/with spaces", "empty": ""},
		}
		want := run
		if party == 0 {
			run.Layers = slices.Clone(run.Layers)
			for i, l := range run.Layers {
				run.Layers[i].Weights = make([]int16, l.Shape.WeightLen())
			}
		}
		b, err := EncodeOpen(run, 7)
		if err != nil {
			t.Fatal(err)
		}
		got, blocks, err := DecodeOpen(b)
		if err != nil || blocks != 7 || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v became %+v (%v)", want, got, err)
		}
	}
	w := []int16{0, 1, -1, 32767, -32768}
	if got := DecodeWeights(EncodeWeights(w)); !slices.Equal(got, w) {
		t.Errorf("%v became %v", w, got)
	}
	v := []uint64{0, 1, 1<<64 - 1, 0x0123456789abcdef}
	if got := DecodeWords(EncodeWords(v)); !slices.Equal(got, v) {
		t.Errorf("%v became %v", v, got)
	}
}

func TestRunsThatAreNone(t *testing.T) {
	many := make(map[string]string)
	for i := range maxSettings + 1 {
		many[strconv.Itoa(i)] = ""
	}
	for says, run := range map[string]correlation.Run{
		"party 2":                {Party: 2},
		"party -1":               {Party: -1},
		"4097 layers":            {Party: 1, Layers: make([]correlation.Layer, maxLayers+1)},
		"layer 0: input height":  {Party: 1, Layers: make([]correlation.Layer, 1)},
		"layer 0 has 0 weights":  {Layers: []correlation.Layer{{Shape: shape}}},
		"layer 0 has 1 weights":  {Party: 1, Layers: []correlation.Layer{{Shape: ring.LinearShape(1, 1), Weights: []int16{1}}}},
		"more than 268435456":    {Party: 1, Layers: []correlation.Layer{{Shape: ring.LinearShape(1<<14, 1<<14)}, {Shape: shape}}},
		"65 settings":            {Settings: many},
		"is not one word":        {Settings: map[string]string{"a b": ""}},
		"setting a takes 4097":   {Settings: map[string]string{"a": strings.Repeat("x", maxValue+1)}},
		"cannot be printed on":   {Settings: map[string]string{"a": "b\nc"}},
		"a setting has 0 bytes;": {Settings: map[string]string{"": "x"}},
	} {
		if _, err := EncodeOpen(run, 0); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v; it does not say %q", err, says)
		}
	}
	if _, _, err := DecodeOpen([]byte{0xff}); err == nil {
		t.Error("garbage was decoded")
	}
	huge, err := proto.Marshal(&api.BackendOpen{Layers: []*api.BackendLayer{{Height: 1<<32 - 1, Width: 1<<32 - 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := DecodeOpen(huge); err == nil {
		t.Error("a layer of 2^64 elements was decoded")
	}
}

func TestRequestsComeBack(t *testing.T) {
	run := correlation.Run{Party: 1, Layers: []correlation.Layer{{Shape: shape}}}
	specs := map[correlation.Kind]correlation.Spec{
		correlation.Triples: {Kind: correlation.Triples, N: 7},
		correlation.Matrix:  correlation.MatrixSpec(2, 3, 4, 5, true),
		correlation.Powers:  {Kind: correlation.Powers, N: 7, Degree: 4, MaskBits: 52},
		correlation.Linear:  {Kind: correlation.Linear, N: 2, Shape: shape},
	}
	for spec := range maps.Values(specs) {
		requests := []correlation.Request{{Spec: spec}, {Spec: spec}}
		for i := range requests {
			if n := (correlation.Run{Party: 1}).InputLen(spec); n > 0 {
				requests[i].Input = make([]uint64, n)
			}
		}
		b, err := EncodeRequests(requests, run)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeRequests(b, run)
		if err != nil || len(got) != 2 || got[0].Spec != spec || got[1].Spec != spec || got[0].Input != nil {
			t.Errorf("%+v became %+v (%v)", requests, got, err)
		}
	}
	if n := (correlation.Run{Party: 0}).InputLen(specs[correlation.Linear]); n != 0 {
		t.Errorf("party 0 has an input of %d elements", n)
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	run := correlation.Run{Party: 1, Layers: []correlation.Layer{{Shape: shape}}}
	triples, err := correlation.Spec{Kind: correlation.Triples, N: 1}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	large, err := correlation.Spec{Kind: correlation.Triples, N: 42 << 20}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	squares, err := correlation.Spec{Kind: correlation.Squares, N: 1}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	linear, err := correlation.Spec{Kind: correlation.Linear, N: 1, Shape: shape, Layer: 1}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for says, specs := range map[string][]byte{
		"specifications of 63 bytes":        triples[1:],
		"triples and squares at once":       slices.Concat(triples, squares),
		"more than 2048 MiB":                slices.Concat(large, large, large),
		"65537 requests":                    slices.Repeat(triples, maxRequests+1),
		"linear correlations of layer 1":    linear,
		"not a usable correlation":          make([]byte, specSize),
		"its second operand is marked 255":  slices.Repeat([]byte{0xff}, specSize),
		"decoding REQUEST: a request for l": linear,
	} {
		b, err := proto.Marshal(&api.BackendRequest{Specs: specs})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeRequests(b, run); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v; it does not say %q", err, says)
		}
	}
}

func TestDescriptions(t *testing.T) {
	good := correlation.Description{
		Name: "file", Version: "1.2", Trust: "nobody", Kinds: correlation.Kinds(),
		Settings: map[string]string{"seed": "where it is"},
	}
	b, err := proto.Marshal(DescriptionMessage(good))
	if err != nil {
		t.Fatal(err)
	}
	var m api.BackendDescription
	if err := proto.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadDescription(&m); err != nil || !reflect.DeepEqual(got, good) {
		t.Errorf("%+v became %+v (%v)", good, got, err)
	}
	for says, change := range map[string]func(*correlation.Description){
		"its name has 0 bytes":       func(d *correlation.Description) { d.Name = "" },
		`its name is "a\nb"`:         func(d *correlation.Description) { d.Name = "a\nb" },
		"its version has 65 bytes":   func(d *correlation.Description) { d.Version = strings.Repeat("1", 65) },
		"does not say whom":          func(d *correlation.Description) { d.Trust = "" },
		"whom to trust takes 1025":   func(d *correlation.Description) { d.Trust = strings.Repeat("x", 1025) },
		"whom to trust cannot be":    func(d *correlation.Description) { d.Trust = "\x1b[0m" },
		"it makes no kind":           func(d *correlation.Description) { d.Kinds = nil },
		"unknown kind 9":             func(d *correlation.Description) { d.Kinds = []correlation.Kind{9} },
		"it lists squares twice":     func(d *correlation.Description) { d.Kinds = []correlation.Kind{2, 2} },
		"is \"a b\", which is not o": func(d *correlation.Description) { d.Settings = map[string]string{"a b": ""} },
	} {
		bad := good
		change(&bad)
		if err := CheckDescription(bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v; it does not say %q", err, says)
		}
	}
}

func FuzzOpen(f *testing.F) {
	b, err := EncodeOpen(correlation.Run{Party: 1, Layers: []correlation.Layer{{Shape: shape}}, Settings: map[string]string{"a": "b"}}, 3)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		run, _, err := DecodeOpen(b)
		if err != nil {
			return
		}
		if err := CheckRun(run); err != nil {
			t.Fatalf("a run was decoded that is none: %v", err)
		}
	})
}

func FuzzRequests(f *testing.F) {
	run := correlation.Run{Party: 1, Layers: []correlation.Layer{{Shape: shape}}}
	spec := correlation.Spec{Kind: correlation.Linear, N: 2, Shape: shape}
	b, err := EncodeRequests([]correlation.Request{{Spec: spec, Input: make([]uint64, correlation.Run{Party: 1}.InputLen(spec))}}, run)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		requests, err := DecodeRequests(b, run)
		if err != nil {
			return
		}
		for _, r := range requests {
			if n := (correlation.Run{Party: 1}).InputLen(r.Spec); n > 0 && n < 1<<20 {
				r.Input = make([]uint64, n)
			} else if n > 0 {
				continue
			}
			if err := r.Validate(run); err != nil {
				t.Fatalf("a request was decoded that is none: %v", err)
			}
		}
	})
}

func FuzzDescription(f *testing.F) {
	b, err := proto.Marshal(&api.BackendDescription{Name: "a", Version: "1", Trust: "t", Kinds: []uint32{1}, Settings: map[string]string{"a": "b"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m api.BackendDescription
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		if d, err := ReadDescription(&m); err == nil && len(d.Kinds) > len(correlation.Kinds()) {
			t.Fatalf("%d kinds", len(d.Kinds))
		}
	})
}
