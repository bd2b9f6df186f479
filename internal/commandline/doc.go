// Package commandline is what the project's programs have in common: how they
// start, end and are interrupted, and how they say what is wrong with a command.
package commandline
