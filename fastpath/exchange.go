package fastpath

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
	"sync/atomic"

	"trent/fastpath/audit"
	"trent/fastpath/operation"
	"trent/fastpath/sigv4"
	"trent/fastpath/wire"
)

// Exchange is one request on its way through the chain: the steps' own states, pooled together. An idle
// connection holds none.
type Exchange struct {
	signed   sigv4.Request
	verified sigv4.Verified
	call     operation.Call
	event    audit.Event
	entry    audit.Entry
	decision audit.DecisionEntry
	content  operation.AuditContent
	charges  operation.Charges
	requests [wire.NumOperations]wire.Request // made when an operation is first asked for
}

// request is the decoder of an operation, kept for the next request of this exchange.
func (x *Exchange) request(op wire.Operation) wire.Request {
	if x.requests[op] == nil {
		x.requests[op] = wire.NewRequest(op)
	}
	return x.requests[op]
}

// exchanges hands out Exchanges. Each has a shard of the metrics, dealt out in turn: the pool keeps an
// exchange near the core that used it last, so that two cores seldom count in one shard.
type exchanges struct {
	pool   sync.Pool
	next   atomic.Uint32
	shards int
}

func newExchanges(shards int) *exchanges {
	p := &exchanges{shards: shards}
	p.pool.New = func() any {
		return &Exchange{event: audit.Event{Shard: int(p.next.Add(1)) % p.shards}}
	}
	return p
}

func (p *exchanges) acquire() *Exchange { return p.pool.Get().(*Exchange) }

// release wipes what is the customer's and gives x back. Views into the request end here.
func (p *exchanges) release(x *Exchange) {
	if x.call.Request != nil {
		x.call.Request.Reset()
	}
	x.call.Reset()
	x.signed = sigv4.Request{}
	x.verified.Reset()
	x.content.Reset()
	x.event = audit.Event{Shard: x.event.Shard}
	p.pool.Put(x)
}

// newUUIDs writes two random UUIDs (RFC 9562, version 4) in lower case, from one read.
func newUUIDs(first, second *[36]byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	formatUUID(first, b[:16])
	formatUUID(second, b[16:])
}

func formatUUID(id *[36]byte, b []byte) {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	hex.Encode(id[0:8], b[0:4])
	hex.Encode(id[9:13], b[4:6])
	hex.Encode(id[14:18], b[6:8])
	hex.Encode(id[19:23], b[8:10])
	hex.Encode(id[24:36], b[10:16])
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
}
