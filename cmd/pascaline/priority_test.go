package main

import "testing"

func TestAPriorityThatThereIsNotIsRefused(t *testing.T) {
	for value, known := range map[string]bool{"": true, "normal": true, "high": false, "Normal": false} {
		t.Setenv(priorityVariable, value)
		if err := checkPriority(); (err == nil) != known {
			t.Errorf("%s=%s: %v", priorityVariable, value, err)
		}
	}
}
