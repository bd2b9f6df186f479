// Package bench is what the bench commands measure and report: networks (what two
// parties in processes of their own take, put together by the command), kernels, and
// ways to evaluate polynomials, by two parties in one process, connected over
// loopback by the same TLS that they would use between machines.
package bench
