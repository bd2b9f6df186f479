package plugins

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/plugins/internal/wire"
)

// serveRaw serves a plugin that knows the protocol and breaks it in the way of
// its name. It uses go-plugin and the generated code alone, as a plugin in another
// language would.
func serveRaw(name string) {
	if name != "raw-deaf" {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	handshake := wire.Handshake
	switch name {
	case "raw-version":
		handshake.ProtocolVersion = 2
	case "raw-core":
		fmt.Println("9|1|unix|/tmp/none|grpc|")
		select {}
	case "raw-netrpc":
		fmt.Println("1|1|unix|/tmp/none|netrpc|")
		select {}
	case "raw-elsewhere":
		fmt.Println("1|1|unix|/tmp/none|grpc|")
		select {}
	case "raw-plain":
		os.Unsetenv("PLUGIN_CLIENT_CERT")
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         plugin.PluginSet{"backend": &rawPlugin{name: name}},
		GRPCServer:      func(o []grpc.ServerOption) *grpc.Server { return grpc.NewServer(o...) },
		Logger:          hclog.NewNullLogger(),
	})
}

type rawPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	name string
}

func (p *rawPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	api.RegisterBackendServer(s, &rawServer{name: p.name})
	return nil
}

func (p *rawPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

type rawServer struct {
	api.UnimplementedBackendServer
	name string
}

func (s *rawServer) Describe(context.Context, *api.BackendDescribe) (*api.BackendDescription, error) {
	d := &api.BackendDescription{Name: "raw", Version: "1", Trust: "nobody", Kinds: []uint32{1}}
	switch s.name {
	case "raw-describe-flood":
		d.Trust = strings.Repeat("x", 300<<10)
	case "raw-describe-kind":
		d.Kinds = []uint32{1, 257}
	case "raw-describe-terminal":
		d.Trust = "\x1b[31mme"
	case "raw-describe-error":
		return nil, status.Error(codes.Internal, strings.Repeat("\x1b", 10000))
	}
	return d, nil
}

type rawStream struct {
	grpc.BidiStreamingServer[api.BackendFrame, api.BackendFrame]
}

// say sends a message of one frame.
func (s rawStream) say(kind api.BackendKind, m proto.Message) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return s.frame(kind, uint64(len(b)), b)
}

func (s rawStream) frame(kind api.BackendKind, size uint64, chunk []byte) error {
	return s.Send(&api.BackendFrame{Kind: kind, Size: size, Chunk: chunk})
}

// half sends a half as the encoding has it.
func (s rawStream) half(h *correlation.Half, trailing ...byte) error {
	b, err := h.MarshalBinary()
	if err != nil {
		return err
	}
	b = append(b, trailing...)
	return s.frame(api.BackendKind_BACKEND_HALF, uint64(len(b)), b)
}

// Run answers OPEN as it should, and REQUEST, of one batch of triples, in the way
// of its name.
func (s *rawServer) Run(stream grpc.BidiStreamingServer[api.BackendFrame, api.BackendFrame]) error {
	raw := rawStream{stream}
	if s.name == "raw-return" {
		return nil
	}
	if s.name == "raw-status" {
		return status.Error(codes.PermissionDenied, "\x1b[2J"+strings.Repeat("x", 5000))
	}
	if _, err := raw.Recv(); err != nil { // OPEN
		return err
	}
	if s.name == "raw-half-at-open" {
		return raw.half(correlation.NewHalf(correlation.Spec{Kind: correlation.Triples, N: 1}, 0))
	}
	if err := raw.frame(api.BackendKind_BACKEND_OPENED, 0, nil); err != nil {
		return err
	}
	if s.name == "raw-deaf" { // it never reads again
		<-stream.Context().Done()
		return nil
	}
	f, err := raw.Recv() // REQUEST
	if err != nil {
		return err
	}
	var request api.BackendRequest
	if err := proto.Unmarshal(f.Chunk, &request); err != nil {
		return err
	}
	spec, err := correlation.UnmarshalSpec(request.Specs)
	if err != nil {
		return err
	}
	if err := s.misbehave(raw, spec); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (s *rawServer) misbehave(raw rawStream, spec correlation.Spec) error {
	const (
		kindHalf = api.BackendKind_BACKEND_HALF
		kindSend = api.BackendKind_BACKEND_SEND
		kindWant = api.BackendKind_BACKEND_WANT
		kindDone = api.BackendKind_BACKEND_DONE
	)
	good := correlation.NewHalf(spec, 0)
	switch s.name {
	case "raw-other-spec":
		spec.N++
		return raw.half(correlation.NewHalf(spec, 0))
	case "raw-long-rows":
		return raw.half(good, make([]byte, 64)...)
	case "raw-huge-half":
		return raw.frame(kindHalf, 1<<40, make([]byte, wire.PieceSize))
	case "raw-not-half":
		return raw.frame(kindHalf, 100, make([]byte, 100))
	case "raw-unasked-half":
		raw.half(good)
		return raw.half(correlation.NewHalf(spec, 0))
	case "raw-no-half":
		return raw.frame(kindDone, 0, nil)
	case "raw-want-huge":
		return raw.say(kindWant, &api.BackendWant{Limit: 1 << 40})
	case "raw-want-twice":
		raw.say(kindWant, &api.BackendWant{Limit: 1})
		return raw.say(kindWant, &api.BackendWant{Limit: 1})
	case "raw-want-done":
		raw.say(kindWant, &api.BackendWant{Limit: 1})
		raw.half(good)
		return raw.frame(kindDone, 0, nil)
	case "raw-progress":
		for {
			if err := raw.say(api.BackendKind_BACKEND_PROGRESS, &api.BackendProgress{Fraction: 0.5}); err != nil {
				return err
			}
		}
	case "raw-progress-nan":
		return raw.say(api.BackendKind_BACKEND_PROGRESS, &api.BackendProgress{Fraction: math.NaN()})
	case "raw-flood": // messages for a twin that takes none, whatever the host says
		for {
			for i := range 4 {
				size := uint64(0)
				if i == 0 {
					size = 1 << 20
				}
				if err := raw.frame(kindSend, size, make([]byte, wire.PieceSize)); err != nil {
					return err
				}
			}
		}
	case "raw-flood-empty":
		for {
			if err := raw.frame(kindSend, 0, nil); err != nil {
				return err
			}
		}
	case "raw-send-huge":
		return raw.frame(kindSend, 1<<40, make([]byte, wire.PieceSize))
	case "raw-interleave":
		raw.frame(kindSend, 1<<20, make([]byte, wire.PieceSize))
		return raw.frame(kindDone, 0, nil)
	case "raw-piece":
		return raw.frame(kindSend, 1<<20, make([]byte, 10))
	case "raw-big-frame":
		return raw.frame(kindSend, 2<<20, make([]byte, 2<<20))
	case "raw-unknown":
		return raw.frame(99, 3, []byte("abc"))
	case "raw-host-kind":
		return raw.frame(api.BackendKind_BACKEND_TWIN, 3, []byte("abc"))
	case "raw-failed-flood":
		return raw.frame(api.BackendKind_BACKEND_FAILED, 1<<30, make([]byte, wire.PieceSize))
	case "raw-failed":
		return raw.say(api.BackendKind_BACKEND_FAILED, &api.BackendFailed{Message: "\x1b[31m" + strings.Repeat("why ", 5000)})
	case "raw-failed-garbage":
		return raw.frame(api.BackendKind_BACKEND_FAILED, 3, []byte{0xff, 0xff, 0xff})
	case "raw-leave":
		return status.Error(codes.Unavailable, "gone")
	}
	return fmt.Errorf("there is no %s", s.name)
}
