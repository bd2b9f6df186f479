package party

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/mpspdz"
	"pascaline/offline"
)

// FormatMPSPDZ is the format of exports: MP-SPDZ's preprocessing files.
const FormatMPSPDZ = "mp-spdz"

// An exported folder has such a name at the server: the client chooses it.
var exportName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// Export claims spec.N elements of a pool and more, as MP-SPDZ needs them, and
// writes both parties' halves to files: this party's under dir, the server's in its
// directory of exports, under this party's key and the given name. They are gone from the
// pool, whether it succeeds or not. It returns how many were exported.
func (c *Client) Export(ctx context.Context, spec correlation.Spec, dir, name string) (exported int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("exporting %s: %w", spec.Pool(), err)
		}
	}()
	if !exportName.MatchString(name) {
		return 0, fmt.Errorf("%q is no name for a folder at the server: it takes up to 64 small letters, digits and dashes", name)
	}
	spec.N = mpspdz.Padded(spec.Kind, spec.N)
	if ready, err := c.PoolReady(spec); err != nil || ready < spec.N {
		return 0, errors.Join(err, exhausted(spec, ready))
	}
	w, err := mpspdz.NewWriter(dir, 1, spec)
	if err != nil {
		return 0, err
	}
	defer w.Abort()
	s, err := c.open(ctx, &api.Hello{Purpose: api.Purpose_PURPOSE_EXPORT})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	encoded, err := spec.MarshalBinary()
	if err != nil {
		return 0, err
	}
	ask := &api.Export{Format: FormatMPSPDZ, Name: name, Spec: encoded}
	if err := api.Send(ctx, s, api.Kind_EXPORT, ask); err != nil {
		return 0, err
	}
	if err := api.Receive(ctx, s, api.Kind_EXPORT_REPLY, helloLimit, &api.ExportReply{}); err != nil {
		return 0, err
	}
	for _, part := range portions(spec) {
		halves, _, err := c.claimPools(ctx, s, picker([]correlation.Spec{part}))
		if err != nil {
			return 0, err
		}
		for _, h := range halves {
			if err := w.Write(h); err != nil {
				return 0, err
			}
		}
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return spec.N, s.End(ctx)
}

// portions cuts an export into what is claimed at a time.
func portions(spec correlation.Spec) (parts []correlation.Spec) {
	for size := offline.BatchSize(spec); spec.N > 0; spec.N -= size {
		part := spec
		part.N = min(size, spec.N)
		parts = append(parts, part)
	}
	return parts
}

func (v *visit) export(ctx context.Context) error {
	if err := v.welcome(ctx); err != nil {
		return err
	}
	var ask api.Export
	if err := api.Receive(ctx, v.stream, api.Kind_EXPORT, helloLimit, &ask); err != nil {
		return err
	}
	spec, err := correlation.UnmarshalSpec(ask.Spec)
	switch {
	case err != nil:
		return err
	case v.Exports == "":
		return errors.New("this server writes no exports; it must be started with --exports DIR")
	case ask.Format != FormatMPSPDZ:
		return fmt.Errorf("unknown format %q; there is %s", ask.Format, FormatMPSPDZ)
	case !exportName.MatchString(ask.Name):
		return fmt.Errorf("%q is no name for a folder", ask.Name)
	}
	// Before any of the disk is set aside: what this client's pool can fill.
	leave, err := v.exporting.pass(ctx, v.stream.Peer())
	if err != nil {
		return err
	}
	defer leave()
	ready, err := v.poolReady(spec)
	if err != nil {
		return v.storeFailed("listing batches", err)
	}
	if ready < spec.N {
		return exhausted(spec, ready)
	}
	folder := filepath.Join(v.stream.Peer().String(), ask.Name)
	w, err := mpspdz.NewWriter(filepath.Join(v.Exports, folder), 0, spec)
	if err != nil {
		return v.exportFailed(err)
	}
	defer func() {
		w.Abort()
		// A folder with nothing in it costs the client nothing: it is not kept.
		_ = os.Remove(filepath.Join(v.Exports, folder))
	}()
	if err := api.Send(ctx, v.stream, api.Kind_EXPORT_REPLY, &api.ExportReply{}); err != nil {
		return err
	}
	for _, part := range portions(spec) {
		halves, _, giveBack, err := v.claimPools(ctx)
		if err != nil {
			return err
		}
		err = meets([]correlation.Spec{part}, halves)
		for _, h := range halves {
			if err == nil {
				if err = w.Write(h); err != nil {
					err = v.exportFailed(err)
				}
			}
		}
		giveBack()
		if err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return v.exportFailed(err)
	}
	v.log.Info("exported", "pool", spec.Pool(), "elements", spec.N, "folder", folder)
	return nil
}

// poolReady returns how many elements of a pool the server has ready.
func (v *visit) poolReady(spec correlation.Spec) (int, error) {
	batches, err := v.Store.Batches(pools(v.pair))
	return ready(batches, spec), err
}

// exportFailed logs what went wrong with a file and returns what a client may know
// of it: no path.
func (v *visit) exportFailed(err error) error {
	v.log.Error("an export failed", "reason", err)
	return errors.New("the server could not write its files, perhaps because there are some of this --name already; its log says why")
}
