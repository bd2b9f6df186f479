//go:build !race

package online

const raceDetector = false
