//go:build race

package online

// raceDetector makes sync.Pool drop at random what it is given.
const raceDetector = true
