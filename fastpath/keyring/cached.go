package keyring

import "iter"

// Cached goes over the snapshots of the keys that are cached, in no order, while they come and go: for figures about keys
// in use, such as when their material expires. It takes no lock, and marks nothing as used.
func (k *Keyring) Cached() iter.Seq[*Snapshot] {
	return func(yield func(*Snapshot) bool) {
		for n := range k.keys.all() {
			if !n.absent && !yield(&n.value) {
				return
			}
		}
	}
}

// all goes over the nodes of a table. While a shard grows, some may be missed or come twice.
func (t *table[V]) all() iter.Seq[*node[V]] {
	return func(yield func(*node[V]) bool) {
		for i := range t.shards {
			b := *t.shards[i].buckets.Load()
			for j := range b {
				for n := b[j].Load(); n != nil; n = n.next.Load() {
					if !yield(n) {
						return
					}
				}
			}
		}
	}
}
