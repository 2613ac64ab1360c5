// Package custody keeps domain keys young: they rotate on a schedule, the tokens in the store are re-encrypted in the
// background, and a domain key that nothing needs any more is dropped.
//
// # The cycle
//
// Each step is chosen from what is durable (the domain's keys with their phases and times, the tokens in the store), so that
// a process that is killed between or within steps goes on where it was:
//
//	the active key is as old as the period   Rotate: a new key, pending or at once active
//	a key is pending                         Activate, once every member of the domain holds it
//	tokens are under another key             re-encrypt them, each by compare-and-swap of its record
//	an older key is due, and a walk over     Drop, with the time at which that walk began
//	all tokens found none under it
//
// A deactivated key is due when it has been out of use for the period and hsm.TokenLife, the longest that a token lives which
// no store holds; one that is exposed is due at once. What of this is in memory is only a hint that saves walks: that a walk
// found nothing to do. After a start there is one walk more.
//
// # Why nothing is lost
//
// A token under an older key can come to the store after a walk passed its place: made just before the other key became active
// by a request that is still running, or copied, for a replica, from a record that was re-encrypted meanwhile. Both have a
// token in hand from before the last moment at which such a one was there to be had: the end of the older key's time, or the last
// re-encryption. Requests, and background work on one key, end within Grace of that, by their deadlines. So a walk counts only
// if it began that long after both, and after this process's start, before which another one may have been at work; and the
// walk of a deactivated key that leads to its drop begins when the key is due, a day later. Snapshots of keys in memory hold
// old tokens too, but what is stored is never taken from them; they end with the commit that replaces the record, here by
// the keyring, in other processes by the watch. Keys made ahead are tokens in memory: Pool re-encrypts those.
//
// A token that cannot be re-encrypted is counted under its key, which therefore stays. Tokens under keys that the domain does not
// have are reported: they come of a backup whose domain keys were dropped since, and wait for operators to restore these.
//
// # Load
//
// One token is re-encrypted at a time, and after each the cycle rests three times as long as it took, and while the module's
// workers or engines are busy: on a loaded machine it slows down by itself.
//
// What this package is not: it does not know how a domain is commanded (Domain), nor how tokens are stored (fastpath/keyring).
// A Cycle is safe for concurrent use; Run is its one goroutine, the caller's.
package custody
