package link

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"trent/hsm"
)

// lane is where a call runs.
type lane uint8

const (
	inline lane = iota // in the reading goroutine: microseconds
	brief              // by a worker: less than a millisecond, and nothing to wait for
	long               // by a worker: milliseconds and more, behind the module's gate
)

// laneOf says where a call runs. Calls of symmetric and HMAC keys are the fast ones; RSA and ML-DSA with the private key,
// and whatever makes or takes in a key pair, are slow.
func laneOf(c *hsm.Call) lane {
	switch c.Op {
	case hsm.OpDataKeyPair, hsm.OpWrappingKey, hsm.OpImport:
		return long
	case hsm.OpGenerate, hsm.OpGeneratePool:
		if !isQuick(c.Spec) {
			return long
		}
	case hsm.OpSign, hsm.OpDecrypt, hsm.OpReEncrypt:
		if c.Key != nil && isHeavy(c.Key.Spec) {
			return long
		}
	}
	if c.Recipient != nil || !isQuick(c.Spec) || c.Key != nil && !isQuick(c.Key.Spec) || c.Target != nil && !isQuick(c.Target.Spec) {
		return brief
	}
	return inline
}

// isHeavy reports whether a spec's private key takes long to use.
func isHeavy(s hsm.KeySpec) bool {
	switch s {
	case hsm.RSA2048, hsm.RSA3072, hsm.RSA4096, hsm.MLDSA44, hsm.MLDSA65, hsm.MLDSA87:
		return true
	}
	return false
}

func isQuick(s hsm.KeySpec) bool {
	switch s {
	case hsm.SpecNone, hsm.SymmetricDefault, hsm.SM4, hsm.HMAC224, hsm.HMAC256, hsm.HMAC384, hsm.HMAC512:
		return true
	}
	return false
}

// run does the call, hands its error to answer, and wipes what was secret.
func (r *request) run(m hsm.Module, since time.Time, answer func(error) error) {
	if r.left > 0 {
		r.Deadline = since.Add(r.left)
	}
	r.prepare()
	err := m.Do(&r.Call)
	if err == nil && (len(r.Out) > int(r.out) || len(r.Secret) > int(r.secret) || len(r.Public) > int(r.public)) {
		err = hsm.ErrShort // a module that appends beyond the capacity harms nobody's connection
	}
	answer(err)
	r.wipe()
}

// resultSize is what the answer takes at the most.
func (r *request) resultSize() int {
	return messageHeader + 1 + len(r.Material) + 12 + len(r.Out) + len(r.Secret) + len(r.Public)
}

// slowCall is a call on its way to a worker. Its message is its own.
type slowCall struct {
	request
	port  *port
	id    uint32
	body  []byte
	since time.Time
}

// hand gives a call to a worker.
func (p *port) hand(w *workers, m message, now time.Time) error {
	if !p.enter(len(m.body)) {
		return p.hold(m.id, m.kind|answerBit, []byte{codeOf(hsm.ErrBusy)})
	}
	j := slowCalls.Get().(*slowCall)
	j.port, j.id, j.since, j.body = p, m.id, now, append(j.body[:0], m.body...)
	if err := j.parseCall(j.body); err != nil {
		panic("link: a call that is not what it was")
	}
	w.add(p, j)
	return nil
}

func (j *slowCall) run() {
	defer j.end()
	answer := func(err error) error {
		buf, closed := j.port.out.begin(j.resultSize())
		if closed != nil {
			return closed
		}
		if j.port.out.commit(j.appendResult(buf, j.id, err)) {
			j.port.out.write(nil)
		}
		return nil
	}
	if j.left > 0 && time.Since(j.since) >= j.left {
		answer(hsm.ErrDeadline) // nobody waits for it any more
		return
	}
	j.request.run(j.port.server.opts.Module, j.since, answer)
}

// end wipes the call's message, and keeps the rest for the next call.
func (j *slowCall) end() {
	p, size := j.port, len(j.body)
	clear(j.body)
	j.port = nil
	slowCalls.Put(j)
	p.leave(size)
}

// slowCalls keeps calls of workers for the next ones; nothing secret is in them.
var slowCalls = sync.Pool{New: func() any { return new(slowCall) }}

// adminJob is a request other than a call.
type adminJob struct {
	port *port
	id   uint32
	kind messageKind
	body []byte
	ctx  context.Context
}

// administer hands a request other than a call to a worker.
func (p *port) administer(m message) error {
	switch {
	case m.kind == kindForget && len(m.body) != len(hsm.MaterialID{}), m.kind == kindStatus && len(m.body) != 0, m.kind == kindIdentity && len(m.body) != 0:
		return errMessage
	case len(m.body) > MaxToken:
		return errMessage
	}
	if !p.enter(len(m.body)) {
		return p.hold(m.id, m.kind|answerBit, appendAnswer(nil, hsm.ErrBusy))
	}
	ctx, ok := p.cancels.add(m.id)
	if !ok {
		p.leave(len(m.body))
		return fmt.Errorf("%w: request %d twice at a time", errHost, m.id)
	}
	p.server.admin.add(p, &adminJob{port: p, id: m.id, kind: m.kind, body: slices.Clone(m.body), ctx: ctx})
	return nil
}

func (j *adminJob) run() {
	p := j.port
	defer p.leave(len(j.body))
	answer := j.answer()
	p.cancels.remove(j.id)
	p.out.send(j.id, j.kind|answerBit, answer)
	if j.kind == kindInstall {
		p.server.Recheck()
	}
}

// answer does what is asked for.
func (j *adminJob) answer() []byte {
	s := j.port.server
	switch j.kind {
	case kindForget:
		return appendAnswer(nil, s.opts.Module.Forget(j.ctx, hsm.MaterialID(j.body)))
	case kindStatus:
		status, err := s.opts.Module.Status(j.ctx)
		b := appendAnswer(nil, err)
		if err == nil {
			if b, err = appendStatus(b, &status); err != nil {
				return appendAnswer(nil, err)
			}
		}
		return b
	case kindIdentity:
		return s.identity(j.ctx)
	case kindExecute:
		member, ok := s.opts.Module.(hsm.Member)
		if !ok {
			return appendAnswer(nil, hsm.ErrUnsupported)
		}
		token, err := member.Execute(j.ctx, j.body)
		if err == nil && len(token) > MaxToken {
			err = hsm.ErrCommand
		}
		b := appendAnswer(nil, err)
		if err == nil {
			b = append(b, token...)
		}
		return b
	default:
		return s.install(j.ctx, j.body)
	}
}

// identity is the answer to the question who the module is.
func (s *Server) identity(ctx context.Context) []byte {
	member, ok := s.opts.Module.(hsm.Member)
	if !ok {
		return appendAnswer(nil, hsm.ErrUnsupported)
	}
	id, err := member.Identity(ctx)
	b := appendAnswer(nil, err)
	if err == nil {
		b = appendIdentity(b, &id)
	}
	return b
}

// install is the answer to a domain token.
func (s *Server) install(ctx context.Context, token []byte) []byte {
	member, ok := s.opts.Module.(hsm.Member)
	if !ok {
		return appendAnswer(nil, hsm.ErrUnsupported)
	}
	return appendAnswer(nil, member.Install(ctx, token))
}
