package main

import (
	"context"

	"pascaline/offline"
)

// lattigo is the backend that is built in.
var lattigo = func() offline.Backend {
	b, err := offline.NewBackend(context.Background(), offline.Lattigo{}, nil)
	if err != nil {
		panic(err)
	}
	return b
}()
