package store

import "errors"

// Errors to ask for with [errors.Is].
var (
	ErrInUse     = errors.New("the store is in use")
	ErrFormat    = errors.New("not a store that this version can read")
	ErrClosed    = errors.New("the store is closed")
	ErrDuplicate = errors.New("the id has been seen before")
	ErrClaimed   = errors.New("claimed before: it can never be used again")
	ErrUnknown   = errors.New("no such half in the store for this pair")
	ErrNotReady  = errors.New("pending: the other party has not confirmed it")
	ErrCorrupt   = errors.New("the stored value is damaged; it is burnt and will not be used")
	ErrDiskFull  = errors.New("no space left on the disk")
)
