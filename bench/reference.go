package bench

// Reference is what the paper's own code takes for one inference by ESPN, both
// parties on two cores of one machine like that of our figures, CPU alone.
type Reference struct {
	Loopback float64 // seconds
	Delayed  float64 // with 50 ms one way, bandwidth not limited
	MB       float64 // sent by each party
}

// ReferenceDelay is the one-way delay of Delayed, in seconds.
const ReferenceDelay = 0.05

// References are measured, by name of the network in the zoo, at degree 4 and
// batch 1. Its offline phase is not part of the paper's code.
var References = map[string]Reference{
	"minionn":   {0.64, 1.26, 35},
	"resnet32":  {1.33, 4.83, 65},
	"resnet18":  {2.94, 4.51, 202},
	"vgg16":     {1.94, 3.32, 159},
	"resnet110": {5.39, 17.0, 224},
}
