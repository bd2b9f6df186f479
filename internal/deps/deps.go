package deps

import (
	_ "github.com/cockroachdb/pebble/v2"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/schollz/progressbar/v3"
	_ "github.com/spf13/cobra"
	_ "github.com/tuneinsight/lattigo/v5/ring"
	_ "golang.org/x/image/draw"
	_ "golang.org/x/sys/unix"
	_ "google.golang.org/grpc"
	_ "google.golang.org/grpc/credentials"
	_ "google.golang.org/protobuf/proto"
)
