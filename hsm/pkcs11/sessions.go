//go:build pkcs11

package pkcs11

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
)

const (
	busyAfter      = time.Second // how long a call without a deadline waits for a session
	reconnectAfter = time.Second // how long after a failed login the next one is tried
)

// session is a session of the device, of the login number epoch.
type session struct {
	handle p11.SessionHandle
	epoch  uint64
}

// sessions are those of a token. A permit is held while a session is used; idle ones wait for the next call. The home
// session keeps the login and owns what must not outlive it: keys made ahead.
type sessions struct {
	permits chan struct{}
	parked  atomic.Uint64
	queue   atomic.Int64 // calls that wait for a permit
	waited  atomic.Int64 // nanoseconds that calls have waited
	// connected changes under mu; healthy is read without it, for a login may take its time.
	connected, ended, reviving atomic.Bool

	token atomic.Pointer[p11.TokenInfo]

	mu       sync.Mutex
	slot     uint
	idle     []session
	epoch    uint64
	closed   bool
	failed   time.Time
	refused  error // the PIN was: it is not tried again, for the device would lock
	homeLock sync.Mutex
	home     p11.SessionHandle
}

// init makes room for n sessions beside the home one, or for as many as the token allows.
func (s *sessions) init(n int) {
	if n <= 0 {
		n = DefaultSessions
	}
	token := s.token.Load()
	for _, most := range [...]uint{token.MaxSessionCount, token.MaxRwSessionCount} {
		if most != p11.CK_UNAVAILABLE_INFORMATION && most != p11.CK_EFFECTIVELY_INFINITE {
			n = min(n, max(1, int(most)-1))
		}
	}
	s.permits = make(chan struct{}, n)
}

func (s *sessions) healthy() bool { return s.connected.Load() && !s.ended.Load() }

// enter waits for a permit until the call's deadline. Error: ErrBusy.
func (s *sessions) enter(deadline time.Time) error {
	if s.ended.Load() {
		return hsm.ErrUnavailable
	}
	select {
	case s.permits <- struct{}{}:
		return nil
	default:
	}
	s.parked.Add(1)
	s.queue.Add(1)
	began := time.Now()
	defer func() {
		s.queue.Add(-1)
		s.waited.Add(int64(time.Since(began)))
	}()
	wait := busyAfter
	if !deadline.IsZero() {
		wait = time.Until(deadline)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s.permits <- struct{}{}:
		return nil
	case <-timer.C:
		return hsm.ErrBusy
	}
}

// with runs f with a session. f may run twice: again where the device had lost session, login or handle, and so did
// nothing. Errors: f's; what is not one of package hsm's becomes ErrUnavailable.
func (m *Module) with(c *hsm.Call, f func(p11.SessionHandle) error) error {
	if err := m.sessions.enter(c.Deadline); err != nil {
		return err
	}
	defer func() { <-m.sessions.permits }()
	for again := true; ; again = false {
		s, err := m.take()
		if err != nil {
			return err
		}
		err = f(s.handle)
		if m.give(s, err) && again {
			continue
		}
		return inHSM(err)
	}
}

// take is an idle session, or a new one, or one of a new login.
func (m *Module) take() (session, error) {
	s := &m.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return session{}, hsm.ErrUnavailable
	}
	if !s.connected.Load() {
		if err := m.connectLocked(); err != nil {
			return session{}, inHSM(err)
		}
	}
	if n := len(s.idle); n > 0 {
		taken := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return taken, nil
	}
	handle, err := m.ctx.OpenSession(s.slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	if err != nil {
		if isCode(err, p11.CKR_SESSION_COUNT) {
			return session{}, hsm.ErrBusy
		}
		m.lostLocked(s.epoch)
		return session{}, fmt.Errorf("%w: opening a session: %w", hsm.ErrUnavailable, err)
	}
	return session{handle, s.epoch}, nil
}

// give takes a session back; true: the device lost something that a new session, login or look-up finds again.
func (m *Module) give(taken session, err error) (lost bool) {
	m.using.end(taken.handle)
	s := &m.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	var code p11.Error
	trouble := errors.As(err, &code)
	switch {
	case trouble && staleCodes[uint(code)]:
		m.objects.clear()
		m.keys.clear()
		lost = true
	case trouble && sessionCodes[uint(code)]:
		m.lostLocked(taken.epoch)
		lost = true
	case trouble && deviceCodes[uint(code)]:
		m.lostLocked(taken.epoch)
	}
	if trouble || taken.epoch != s.epoch || s.closed {
		_ = m.ctx.CloseSession(taken.handle) // an operation may be half done in it, or the device has forgotten it
		m.using.gone(taken.handle)
		return lost
	}
	s.idle = append(s.idle, taken)
	return lost
}

// lostLocked ends a login: its idle sessions are closed, those in use by whoever uses them.
func (m *Module) lostLocked(epoch uint64) {
	s := &m.sessions
	if s.epoch != epoch {
		return // somebody else saw it first
	}
	s.epoch++
	s.connected.Store(false)
	for _, idle := range s.idle {
		_ = m.ctx.CloseSession(idle.handle)
		m.using.gone(idle.handle)
	}
	s.idle = s.idle[:0]
	_ = m.ctx.CloseSession(s.home)
	m.objects.clear()
	m.keys.clear()
	m.pooled.clear()
}

// revive tries to log in again, beside whoever asks for the status, so that a device which nobody calls is found again.
func (m *Module) revive() {
	s := &m.sessions
	if s.connected.Load() || s.ended.Load() || !s.reviving.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer s.reviving.Store(false)
		_ = m.drawAny(make([]byte, 1))
	}()
}

func (m *Module) connect() error {
	m.sessions.mu.Lock()
	defer m.sessions.mu.Unlock()
	return m.connectLocked()
}

// connectLocked finds the token and logs in. A PIN that the device refuses is never tried twice.
func (m *Module) connectLocked() error {
	s := &m.sessions
	if s.refused != nil {
		return s.refused
	}
	if time.Since(s.failed) < reconnectAfter {
		return fmt.Errorf("%w: the device was lost a moment ago", hsm.ErrUnavailable)
	}
	err := m.login()
	if err != nil {
		s.failed = time.Now()
		if errors.Is(err, ErrPIN) {
			s.refused = err
		}
		return err
	}
	s.connected.Store(true)
	return nil
}

func (m *Module) login() error {
	s := &m.sessions
	slot, token, err := m.findSlot()
	if err != nil {
		return err
	}
	home, err := m.ctx.OpenSession(slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("pkcs11: opening a session: %w", err)
	}
	if err := m.present(home); err != nil {
		_ = m.ctx.CloseSession(home)
		return err
	}
	s.slot, s.home = slot, home
	s.token.Store(&token)
	return nil
}

// present logs in. The login is of all sessions of this process.
func (m *Module) present(home p11.SessionHandle) error {
	pin, err := m.o.PIN()
	if err != nil {
		return fmt.Errorf("pkcs11: reading the PIN: %w", err)
	}
	defer clear(pin)
	err = m.ctx.Login(home, p11.CKU_USER, viewString(pin))
	switch {
	case err == nil, isCode(err, p11.CKR_USER_ALREADY_LOGGED_IN):
		return nil
	case isCode(err, p11.CKR_PIN_INCORRECT), isCode(err, p11.CKR_PIN_LOCKED), isCode(err, p11.CKR_PIN_EXPIRED), isCode(err, p11.CKR_PIN_LEN_RANGE), isCode(err, p11.CKR_PIN_INVALID):
		return fmt.Errorf("%w: %w", ErrPIN, err)
	}
	return fmt.Errorf("pkcs11: logging in: %w", err)
}

// findSlot is the slot of the token that the options name.
func (m *Module) findSlot() (uint, p11.TokenInfo, error) {
	slots, err := m.ctx.GetSlotList(true)
	if m.own && isCode(err, p11.CKR_CRYPTOKI_NOT_INITIALIZED) { // somebody ended it
		if err = m.ctx.Initialize(); err == nil {
			slots, err = m.ctx.GetSlotList(true)
		}
	}
	if err != nil {
		return 0, p11.TokenInfo{}, fmt.Errorf("pkcs11: listing slots: %w", err)
	}
	var found []uint
	var info p11.TokenInfo
	for _, slot := range slots {
		t, err := m.ctx.GetTokenInfo(slot)
		if err != nil || t.Flags&p11.CKF_TOKEN_INITIALIZED == 0 || m.o.Token != "" && t.Label != m.o.Token {
			continue
		}
		found, info = append(found, slot), t
	}
	switch {
	case len(found) == 1:
		return found[0], info, nil
	case len(found) > 1:
		return 0, info, fmt.Errorf("%w: %d tokens answer, name one by its label", ErrNoToken, len(found))
	case m.o.Token != "":
		return 0, info, fmt.Errorf("%w: none is called %q", ErrNoToken, m.o.Token)
	}
	return 0, info, fmt.Errorf("%w: none is initialised", ErrNoToken)
}

// atHome runs f with the home session, alone.
func (m *Module) atHome(f func(p11.SessionHandle) error) error {
	return m.with(&hsm.Call{}, func(p11.SessionHandle) error {
		s := &m.sessions
		s.homeLock.Lock()
		defer s.homeLock.Unlock()
		s.mu.Lock()
		home := s.home
		s.mu.Unlock()
		return f(home)
	})
}

// patience is how long Close and Forget wait for a device to answer.
const patience = 10 * time.Second

// close waits for all calls, then closes every session. Calls after it give ErrUnavailable. Error: ErrUnavailable where
// the device keeps a call.
func (s *sessions) close(ctx *p11.Ctx) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.ended.Store(true)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for range cap(s.permits) {
		select {
		case s.permits <- struct{}{}:
		case <-timer.C:
			return fmt.Errorf("%w: the device has not answered for %v, its library stays loaded", hsm.ErrUnavailable, patience)
		}
	}
	for _, idle := range s.idle {
		_ = ctx.CloseSession(idle.handle)
	}
	s.idle = nil
	if s.connected.Load() {
		_ = ctx.Logout(s.home)
		_ = ctx.CloseSession(s.home)
	}
	return nil
}
