// Package bench measures pascaline: two parties in one process, connected over
// loopback by the same TLS that they would use between machines.
package bench
