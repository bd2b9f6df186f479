package main

import (
	"testing"

	"pascaline/internal/commandline"
)

func TestExamplesInTheHelpAreAccepted(t *testing.T) {
	if err := commandline.CheckExamples(root); err != nil {
		t.Error(err)
	}
}
