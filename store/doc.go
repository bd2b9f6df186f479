// Package store keeps one party's halves of correlations between the offline
// phase that makes them and the online phase that spends them.
//
// A half goes through three states and never back:
//
//	      Put             Confirm            Claim
//	──────────▶ pending ──────────▶ ready ──────────▶ claimed
//	               │                  │
//	               └────── Drop ──────┴──────▶ gone
//
// Put writes a group of halves whole and synced. Confirm records that the other
// party has written its twins. Claim is the durable mark made before use: when
// it returns the values, their halves are out of the store for good, whatever
// crashes next. So a crash may lose a half; it never lets one be used twice. An
// id once claimed is refused for ever, by Put and by Claim.
//
// A batch is many elements of one kind made together, this party's half of each:
// what all of them need, the head, and a row for each. It goes the same way, but
// is claimed by range:
//
//	    PutBatch          Confirm          ClaimRanges, Burn       the last
//	──────────▶ pending ──────────▶ ready ───────────────────▶ … ──────────▶ claimed
//	               │                  │    (elements are spent)
//	               └────── Drop ──────┴──────▶ gone
//
// Normally it is spent from the front to the back; sessions that run at the same
// time, and samples that are checked, claim from anywhere. The list of what is
// spent is as durable as a claimed half: an element in it is never handed out
// again. Burn adds to it without handing anything out, so that after a crash two
// stores agree on what is gone.
//
// A store is a directory that one process has open at a time. Its index is a
// Pebble database; the values of larger groups and batches lie in segment files
// beside it (format.go draws both). Every write is synced before a method
// returns. When a write to the index fails, for want of disk space or through a
// bad disk, the method returns the error, the index is given up (fence.go says
// how), and the next method opens it again and finds what is really on the disk:
// what had been acknowledged is there, what had failed is there whole or not at
// all.
//
// Deleting is not wiping: claimed values leave the index as Pebble compacts and
// the segments as they drain, and a disk may keep traces of both. In particular
// the rows of spent elements lie in their batch's segment until it is spent to the
// last, or dropped; on Linux, where the file system makes holes, until nothing
// unspent is left on their page of 64 KiB. The head stays until the end.
package store
