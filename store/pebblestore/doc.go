// Package pebblestore is the embedded store.Store: one Pebble database in one directory, for one process.
//
// It is not a cache and not a general key-value wrapper: one committer checks conditions, assigns revisions and
// syncs, so that what was answered is durable and what is read is durable too.
//
// # How it works
//
// Commit queues a private copy of the transaction and waits. The committer goroutine takes what has gathered,
// up to groupTxns transactions or groupBytes, checks each transaction's conditions against the current view and the
// group's earlier transactions, writes one Pebble batch, syncs it once, publishes a new view and answers all of
// the group. While a sync runs the next group gathers: that is the whole of group commit, no timer is involved.
//
// A view is a Pebble snapshot with the head revision it shows. Pebble shows a batch to readers before it is
// durable; a view is made after the sync, so readers never see what a crash could take back. Readers take a
// reference on the current view without a lock.
//
// Watchers read the change log through views, in pieces, and hold no view while they call back: a slow watcher
// costs nothing but its place in the log.
//
// # Failure
//
// After a failed write it is unknown what the disk holds, so the store fails as a whole: the commits under way get
// store.ErrAmbiguous, and all later calls store.ErrUnavailable until the directory is opened again, when the
// write-ahead log decides. Errors that Pebble itself calls fatal (a failed write of its manifest) leave Pebble
// stopped where it stands, its lock held and its goroutines parked until the process ends: going on could
// damage the directory. When it cannot start a new write-ahead log file Pebble stops the process; no answered
// commit is lost by that.
//
// # Goroutines
//
// The committer and Pebble's own; all of them end with Close. Store is safe for concurrent use.
//
// # On disk
//
// The file FORMAT holds the version of this layout and whether the directory was made completely:
//
//	trent store
//	version 1
//	state creating | ready
//
// Beside it are Pebble's files. Keys of the database (integers are big-endian, so that they sort):
//
//	0x00                      state: head u64, floor u64, logged u64, floorLogged u64
//	0x01 ‖ record key         revision u64 ‖ value
//	0x02 ‖ revision u64       one commit of the change log: logged u64 ‖ changes
//
// The change log has one entry for each revision in (floor, head]. A change is
//
//	kind u8 (0 put, 1 delete) ‖ uvarint length ‖ key [‖ uvarint length ‖ value, if put]
//
// and `logged` is the sum of the sizes of all entries ever written up to and including this one, which makes
// the size of any stretch of the log a subtraction.
package pebblestore
