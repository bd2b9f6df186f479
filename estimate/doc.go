// Package estimate says what private inference of a model takes before any is run:
// what is opened and how well it hides, what can go wrong and how rarely, what a
// bundle costs by either backend and what a store holds of it, what an inference
// sends and how long it takes over a network. docs/planning.md derives the bounds,
// and says how the predictions were checked.
//
// Counts and bytes follow from the plan, exactly. Times are [Rates]: those of a
// named machine, or of this one as far as [Measure] finds out in a second.
package estimate
