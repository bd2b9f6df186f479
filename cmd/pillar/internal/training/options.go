// Package training makes a trained network of labelled images: what package network
// computes, again and again, with augmented batches, schedules and checkpoints.
package training

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"pascaline/cmd/pillar/internal/network"
	"pascaline/dataset"
	"pascaline/model"
	"pascaline/model/zoo"
	"pascaline/pillar"
)

// Options say what is trained and how. They are all that decides the result, with
// the images: the same options make the same network on the same machine.
type Options struct {
	Network string `json:"network"` // a name of zoo.Trainable
	// Activation is what stands in for ReLU, as pillar.ParseSpec takes it, or
	// "relu" for ReLU itself, a baseline that no private inference evaluates.
	Activation string         `json:"activation"`
	Clip       bool           `json:"clip"` // to the range of the fit, in training
	Penalty    pillar.Penalty `json:"penalty"`

	Epochs    int     `json:"epochs"`
	Batch     int     `json:"batch"`
	Shards    int     `json:"shards"` // of a batch, each with batch norm of its own
	Optimizer string  `json:"optimizer"`
	Rate      float64 `json:"rate"` // the largest
	Schedule  string  `json:"schedule"`
	Decay     float64 `json:"decay"` // of weights

	Augment Augmentation `json:"augment"`
	// HoldOut is how many images of the training split are kept back to judge every
	// epoch by.
	HoldOut int    `json:"holdOut"`
	Seed    uint64 `json:"seed"`
}

// Relu is the activation of a baseline.
const Relu = "relu"

var optimizers = map[string]network.Optimizer{"sgd": network.SGD, "adam": network.Adam}

// Optimizers returns the names of the optimizers.
func Optimizers() []string { return []string{"sgd", "adam"} }

// Check returns an error for the first option that cannot be.
func (o *Options) Check() error {
	_, optimizer := optimizers[o.Optimizer]
	switch {
	case !slices.Contains(zoo.Trainable(), o.Network):
		return fmt.Errorf("no network %q; there are %s", o.Network, strings.Join(zoo.Trainable(), ", "))
	case !optimizer:
		return fmt.Errorf("no optimizer %q; there are %s", o.Optimizer, strings.Join(Optimizers(), " and "))
	case !slices.Contains(Schedules(), o.Schedule):
		return fmt.Errorf("no schedule %q; there are %s", o.Schedule, strings.Join(Schedules(), " and "))
	case o.Epochs < 1 || o.Epochs > 10000:
		return fmt.Errorf("%d epochs; take from 1 to 10000", o.Epochs)
	case o.Shards < 1 || o.Shards > 64:
		return fmt.Errorf("%d shards; take from 1 to 64", o.Shards)
	case o.Batch < 2*o.Shards || o.Batch > 1<<16 || o.Batch%o.Shards != 0:
		return fmt.Errorf("a batch of %d in %d shards; take a multiple of %d, from %d to %d",
			o.Batch, o.Shards, o.Shards, 2*o.Shards, 1<<16)
	case !(o.Rate > 0 && o.Rate <= 1000):
		return fmt.Errorf("a learning rate of %v; take one above 0, such as 0.05", o.Rate)
	case !(o.Decay >= 0 && o.Decay < 1):
		return fmt.Errorf("a weight decay of %v; take one from 0 to below 1, such as 5e-4", o.Decay)
	case o.HoldOut < 0:
		return fmt.Errorf("%d images held out; take 0 or more", o.HoldOut)
	}
	if err := o.Augment.check(); err != nil {
		return err
	}
	if o.Activation == Relu && o.Penalty.Beta > 0 {
		return errors.New("a penalty on ReLU, which has no range to stay in: leave one of them out")
	}
	_, err := o.activation()
	if err != nil || o.Penalty.Beta == 0 {
		return err
	}
	if err := o.Penalty.Check(); err != nil {
		return err
	}
	if g := o.Penalty.Gamma; g != math.Trunc(g) || int(g)%2 != 0 {
		return fmt.Errorf("a penalty with γ = %v; training takes even whole numbers", g)
	}
	return nil
}

// CheckSet returns an error for the first option that does not go with the images.
func (o *Options) CheckSet(set *dataset.Set) error {
	switch {
	case o.HoldOut > set.Len()/2:
		return fmt.Errorf("holding out %d of %d images; that leaves too few, hold out fewer", o.HoldOut, set.Len())
	case o.Steps(set) == 0:
		return fmt.Errorf("training on %d images in batches of %d; take smaller batches or more images", set.Len()-o.HoldOut, o.Batch)
	}
	return o.Augment.checkSize(set.H, set.W)
}

// Steps returns how many steps an epoch has on the images.
func (o *Options) Steps(set *dataset.Set) int { return (set.Len() - o.HoldOut) / o.Batch }

// activation returns the activation that the options name, fitted.
func (o *Options) activation() (network.Activation, error) {
	if o.Activation == Relu {
		return network.Activation{Range: 5}, nil
	}
	spec, err := pillar.ParseSpec(o.Activation)
	if err != nil {
		return network.Activation{}, err
	}
	if spec.Lo != -spec.Hi {
		return network.Activation{}, fmt.Errorf("activation %s: training clips to a range around zero; take one such as %s", o.Activation, pillar.Spec{Degree: spec.Degree, Lo: -5, Hi: 5, Q: spec.Q})
	}
	fit, err := spec.Fit("relu")
	if err != nil {
		return network.Activation{}, err
	}
	if spec.Degree < 2 {
		return network.Activation{}, fmt.Errorf("activation %s: a network of polynomials of degree 1 is linear; take 2 or more", o.Activation)
	}
	return network.Activation{Coeffs: fit.Coeffs(), Range: spec.Hi, Clip: o.Clip}, nil
}

// build returns the network that the options name.
func (o *Options) build(image model.Shape, classes int) (*network.Network, error) {
	a, err := o.activation()
	if err != nil {
		return nil, err
	}
	g, err := zoo.Topology(o.Network, image, classes, a.Coeffs)
	if err != nil {
		return nil, err
	}
	return network.New(g, a)
}

// penalty returns that of an epoch.
func (o *Options) penalty(epoch int) pillar.Term {
	if o.Penalty.Beta == 0 {
		return pillar.Term{}
	}
	return o.Penalty.At(epoch)
}
