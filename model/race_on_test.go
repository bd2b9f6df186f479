//go:build race

package model

// raceDetector slows float arithmetic down many times; tests then take fewer
// inputs.
const raceDetector = true
