package link

import (
	"encoding/binary"
	"math"
	"time"

	"trent/hsm"
)

// Flags of a call.
const (
	flagDigest uint8 = 1 << iota
	flagExternalMu
	flagTime
	flagKey
	flagTarget
	flagRecipient
	flagUnknown // this bit and those above must be zero
)

// callSize is what a call's message takes at the most.
func callSize(c *hsm.Call) int {
	const fixed = messageHeader + 8 + 4 + 8 + 12 + 12 + 5*4 // the end of appendCall's fixed part, with every option
	return fixed + keySize(c.Key) + keySize(c.Target) + len(c.AAD) + len(c.TargetAAD) + len(c.In) + len(c.In2) + len(c.Recipient)
}

func keySize(k *hsm.Key) int {
	if k == nil {
		return 0
	}
	return 2 + len(k.Material) + 8 + len(k.Token) + len(k.Identity)
}

// appendCall appends a call's message; left is what is left of its time, 0: without end.
func appendCall(dst []byte, id uint32, c *hsm.Call, left time.Duration) []byte {
	dst, start := beginMessage(dst, id, kindCall)
	dst = append(dst, byte(c.Op), byte(c.Algorithm), byte(c.TargetAlgorithm), byte(c.Spec), byte(c.Usage), byte(c.Wrapping), flagsOf(c), 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(clampN(c.N)))
	dst = binary.BigEndian.AppendUint64(dst, uint64(left))
	dst = binary.BigEndian.AppendUint32(dst, room(c.Out))
	dst = binary.BigEndian.AppendUint32(dst, room(c.Secret))
	dst = binary.BigEndian.AppendUint32(dst, room(c.Public))
	if !c.Time.IsZero() {
		dst = binary.BigEndian.AppendUint64(dst, uint64(c.Time.Unix()))
		dst = binary.BigEndian.AppendUint32(dst, uint32(c.Time.Nanosecond()))
	}
	if c.Key != nil {
		dst = appendKey(dst, c.Key)
	}
	if c.Target != nil {
		dst = appendKey(dst, c.Target)
	}
	dst = appendBytes(dst, c.AAD)
	dst = appendBytes(dst, c.TargetAAD)
	dst = appendBytes(dst, c.In)
	dst = appendBytes(dst, c.In2)
	if c.Recipient != nil {
		dst = appendBytes(dst, c.Recipient)
	}
	endMessage(dst, start)
	return dst
}

func flagsOf(c *hsm.Call) uint8 {
	var f uint8
	for _, of := range [...]struct {
		set bool
		bit uint8
	}{
		{c.Digest, flagDigest}, {c.ExternalMu, flagExternalMu}, {!c.Time.IsZero(), flagTime},
		{c.Key != nil, flagKey}, {c.Target != nil, flagTarget}, {c.Recipient != nil, flagRecipient},
	} {
		if of.set {
			f |= of.bit
		}
	}
	return f
}

// clampN keeps an N out of range out of range.
func clampN(n int) int32 { return int32(max(math.MinInt32, min(n, math.MaxInt32))) }

// room is what may be appended to a result.
func room(b []byte) uint32 { return uint32(min(cap(b)-len(b), MaxResult)) }

func appendKey(dst []byte, k *hsm.Key) []byte {
	dst = append(dst, byte(k.Spec), byte(k.Usage))
	dst = append(dst, k.Material[:]...)
	dst = appendBytes(dst, k.Token)
	return appendBytes(dst, k.Identity)
}

// request is a call as the module's end holds it: all that it points to lies in the message or in itself.
type request struct {
	hsm.Call
	key, target              hsm.Key
	left                     time.Duration // 0: without end
	out, secret, public      uint32        // what may be appended
	outBuf, secretBuf, pkBuf []byte        // where the results go
}

// parseCall takes a call's body apart; the call's inputs are views of it. Error: errMessage, also for any other
// encoding than appendCall's.
func (r *request) parseCall(body []byte) error {
	s := scanner{b: body}
	head := s.take(8)
	if head == nil || head[6] >= flagUnknown || head[7] != 0 {
		return errMessage
	}
	flags := head[6]
	// One by one: what else a Call has is the module's, and serves the next call.
	r.Op, r.Algorithm, r.TargetAlgorithm, r.Spec = hsm.Op(head[0]), hsm.Algorithm(head[1]), hsm.Algorithm(head[2]), hsm.KeySpec(head[3])
	r.Usage, r.Wrapping = hsm.Usage(head[4]), hsm.Wrapping(head[5])
	r.Digest, r.ExternalMu = flags&flagDigest != 0, flags&flagExternalMu != 0
	r.Deadline, r.Time, r.Key, r.Target, r.Recipient = time.Time{}, time.Time{}, nil, nil, nil
	r.Out, r.Secret, r.Public, r.Material, r.Err = nil, nil, nil, hsm.MaterialID{}, nil
	r.N = int(int32(s.uint32()))
	left := s.uint64()
	r.left = time.Duration(left)
	r.out, r.secret, r.public = s.uint32(), s.uint32(), s.uint32()
	if flags&flagTime != 0 && !r.parseTime(&s) {
		return errMessage
	}
	if flags&flagKey != 0 {
		parseKey(&s, &r.key)
		r.Key = &r.key
	}
	if flags&flagTarget != 0 {
		parseKey(&s, &r.target)
		r.Target = &r.target
	}
	r.AAD, r.TargetAAD, r.In, r.In2 = s.bytes(), s.bytes(), s.bytes(), s.bytes()
	if flags&flagRecipient != 0 {
		if r.Recipient = s.bytes(); r.Recipient == nil {
			r.Recipient = body[:0:0]
		}
	}
	if !s.done() || left > math.MaxInt64 || max(r.out, r.secret, r.public) > MaxResult {
		return errMessage
	}
	return nil
}

func (r *request) parseTime(s *scanner) bool {
	sec, ns := int64(s.uint64()), s.uint32()
	r.Time = time.Unix(sec, int64(ns))
	// The zero time is told by the flag alone; what wraps around would not encode to the same bytes.
	return ns < uint32(time.Second) && !r.Time.IsZero() && r.Time.Unix() == sec
}

func parseKey(s *scanner, k *hsm.Key) {
	if head := s.take(2 + len(k.Material)); head != nil {
		k.Spec, k.Usage = hsm.KeySpec(head[0]), hsm.Usage(head[1])
		copy(k.Material[:], head[2:])
	}
	k.Token, k.Identity = s.bytes(), s.bytes()
}

// prepare makes room for the results, as much as the caller has.
func (r *request) prepare() {
	r.Out = limited(&r.outBuf, r.out)
	r.Secret = limited(&r.secretBuf, r.secret)
	r.Public = limited(&r.pkBuf, r.public)
}

// limited is an empty slice of exactly that capacity, in *buf, which grows.
func limited(buf *[]byte, n uint32) []byte {
	if cap(*buf) < int(n) {
		*buf = make([]byte, max(int(n), 8<<10))
	}
	return (*buf)[:0:n]
}

// appendResult appends the answer of a call that ended with err, and wipes its secret.
func (r *request) appendResult(dst []byte, id uint32, err error) []byte {
	dst, start := beginMessage(dst, id, kindCall|answerBit)
	dst = append(dst, codeOf(err))
	if err == nil {
		dst = append(dst, r.Material[:]...)
		dst = appendBytes(dst, r.Out)
		dst = appendBytes(dst, r.Secret)
		dst = appendBytes(dst, r.Public)
	}
	endMessage(dst, start)
	return dst
}

// wipe clears what was secret of the results.
func (r *request) wipe() { clear(r.Secret) }

// fillCall puts an answer's results into a call, within its capacity. Errors: errMessage in bad, also for results
// that the call has no room for; in err the module's.
func fillCall(c *hsm.Call, body []byte) (err, bad error) {
	if len(body) == 0 {
		return nil, errMessage
	}
	err, ok := errorOf(body[0])
	if !ok || err != nil && len(body) != 1 {
		return nil, errMessage
	}
	if err != nil {
		return err, nil
	}
	s := scanner{b: body[1:]}
	material := s.take(len(c.Material))
	out, secret, public := s.bytes(), s.bytes(), s.bytes()
	if !s.done() || len(out) > int(room(c.Out)) || len(secret) > int(room(c.Secret)) || len(public) > int(room(c.Public)) {
		return nil, errMessage
	}
	copy(c.Material[:], material)
	c.Out = append(c.Out, out...)
	c.Secret = append(c.Secret, secret...)
	c.Public = append(c.Public, public...)
	return nil, nil
}
