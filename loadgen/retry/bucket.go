package retry

// Bucket is a client's retry tokens: while it has none, failures are not tried again.
type Bucket struct {
	policy Policy
	left   float64
}

// NewBucket is a full one.
func (p Policy) NewBucket() *Bucket { return &Bucket{policy: p, left: p.Tokens} }

// Left is the tokens in it.
func (b *Bucket) Left() float64 { return b.left }

// Take asks for a retry after an error: it returns what was taken, to be given back by Retried. false: there are too few
// tokens, and the call fails with what it has.
func (b *Bucket) Take(c Class) (taken float64, ok bool) {
	if b.policy.Tokens == 0 {
		return 0, true
	}
	cost := b.policy.Cost
	switch c {
	case Timeout:
		cost = b.policy.TimeoutCost
	case Throttle:
		cost = b.policy.ThrottleCost
	}
	if b.left < cost {
		return 0, false
	}
	b.left -= cost
	return cost, true
}

// Retried tells of a call that succeeded after retries: what the last of them took comes back.
func (b *Bucket) Retried(taken float64) { b.add(taken) }

// SetLeft makes it hold that many tokens, such as those of a client that has been running.
func (b *Bucket) SetLeft(tokens float64) { b.left = min(max(tokens, 0), b.policy.Tokens) }

// Succeeded tells of a call that succeeded at its first attempt.
func (b *Bucket) Succeeded() { b.add(b.policy.Income) }

func (b *Bucket) add(tokens float64) { b.left = min(b.left+tokens, b.policy.Tokens) }
