package cluster

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// EtcdAddress is where a run's agents meet.
type EtcdAddress struct {
	Endpoints []string // host:port
	TLS       bool
	Run       string
}

// maxRunName bounds the name of a run.
const maxRunName = 64

var runName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// ParseEtcd reads etcd://HOST:PORT[,HOST:PORT…]/RUN, or etcds:// for TLS.
func ParseEtcd(address string) (EtcdAddress, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || scheme != "etcd" && scheme != "etcds" {
		return EtcdAddress{}, fmt.Errorf("cluster %q: expected etcd://HOST:PORT/RUN", address)
	}
	hosts, run, _ := strings.Cut(rest, "/")
	if len(run) > maxRunName || !runName.MatchString(run) {
		return EtcdAddress{}, fmt.Errorf("cluster %q: the run's name is 1 to %d letters, digits, dots, dashes and underscores", address, maxRunName)
	}
	a := EtcdAddress{TLS: scheme == "etcds", Run: run}
	for host := range strings.SplitSeq(hosts, ",") {
		name, port, ok := strings.Cut(host, ":")
		if strings.HasPrefix(host, "[") {
			name, port, ok = strings.Cut(host, "]:")
		}
		if !ok || strings.Trim(name, "[") == "" || port == "" || strings.Trim(port, "0123456789") != "" || strings.ContainsAny(host, "@?# ") {
			return EtcdAddress{}, fmt.Errorf("cluster %q: expected HOST:PORT instead of %q", address, host)
		}
		a.Endpoints = append(a.Endpoints, host)
	}
	return a, nil
}

// EtcdConfig is how to reach etcd.
type EtcdConfig struct {
	EtcdAddress
	Username, Password string
	Config             *tls.Config // with TLS; nil: the system's roots
}

// Etcd is a meeting place in etcd. Under /trent/RUN/ stand, bound to leases so that they vanish with who wrote them:
//
//	coordinator/alive            the coordinator
//	agent/ID/alive               an agent
//	agent/ID/message/NUMBER      from the agent to the coordinator, in parts of at most 512 KiB
//	to/ID/NUMBER                 from the coordinator to the agent
//
// Readers delete what they have read. No credentials are written. Whoever may write there can give jobs to the agents.
type Etcd struct {
	client *clientv3.Client
	prefix string
	lease  clientv3.LeaseID
	// gone ends when the own lease does: the others take this process for dead.
	gone  context.Context
	leave context.CancelCauseFunc
}

// Times of leases, in seconds: how long a process that died is taken for alive.
const (
	coordinatorTTL = 10
	agentTTL       = 5
)

// ErrRunExists is a run whose name another coordinator uses.
var ErrRunExists = errors.New("another coordinator has a run of that name")

// DialEtcd connects and takes a lease of ttl seconds.
func dialEtcd(ctx context.Context, c EtcdConfig, ttl int64) (*Etcd, error) {
	config := clientv3.Config{DialTimeout: 5 * time.Second, DialKeepAliveTime: 5 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
		Username: c.Username, Password: c.Password, Logger: zap.NewNop(), MaxCallSendMsgSize: 4 << 20}
	scheme := "http://"
	if c.TLS {
		scheme = "https://"
		if config.TLS = c.Config; config.TLS == nil {
			config.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	}
	for _, host := range c.Endpoints {
		config.Endpoints = append(config.Endpoints, scheme+host)
	}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd at %s: %w", strings.Join(c.Endpoints, ","), err)
	}
	granting, cancel := context.WithTimeout(ctx, talkTimeout)
	defer cancel()
	lease, err := client.Grant(granting, ttl)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to etcd at %s: %w", strings.Join(c.Endpoints, ","), err), client.Close())
	}
	e := &Etcd{client: client, prefix: "/trent/" + c.Run + "/", lease: lease.ID}
	e.gone, e.leave = context.WithCancelCause(context.Background())
	alive, err := client.KeepAlive(e.gone, lease.ID)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keeping the lease in etcd: %w", err), client.Close())
	}
	go func() {
		for range alive {
			continue
		}
		e.leave(errors.New("the lease in etcd was lost: no connection to it for too long"))
	}()
	return e, nil
}

// NewEtcd is the coordinator's side.
func NewEtcd(ctx context.Context, c EtcdConfig) (*Etcd, error) {
	return dialEtcd(ctx, c, coordinatorTTL)
}

// Name is "etcd".
func (*Etcd) Name() string { return "etcd" }

// Local is false: agents are elsewhere and have credentials of their own.
func (*Etcd) Local() bool { return false }

// Close gives the lease back, with which all that was written vanishes.
func (e *Etcd) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), talkTimeout)
	defer cancel()
	_, err := e.client.Revoke(ctx, e.lease)
	e.leave(errors.New("left"))
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("leaving etcd: %w", err)
	} else {
		err = nil // a lease that is gone already
	}
	return errors.Join(err, e.client.Close())
}

// create writes a key that must not exist, under the lease.
func (e *Etcd) create(ctx context.Context, key, value string) error {
	r, err := e.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, value, clientv3.WithLease(e.lease))).Commit()
	if err != nil {
		return fmt.Errorf("writing to etcd: %w", err)
	}
	if !r.Succeeded {
		return ErrRunExists
	}
	return nil
}

// Join is described at Transport: agents in the order of their coming.
func (e *Etcd) Join(ctx context.Context, n int, joined func(int)) ([]Link, error) {
	if err := e.create(ctx, e.prefix+"coordinator/alive", "coordinator"); err != nil {
		return nil, err
	}
	present, err := e.client.Get(ctx, e.prefix+"agent/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
	if err != nil {
		return nil, fmt.Errorf("looking for agents in etcd: %w", err)
	}
	var agents []*mvccpb.KeyValue
	tell := func() {
		if joined != nil {
			joined(len(agents))
		}
	}
	for _, kv := range present.Kvs {
		if strings.HasSuffix(string(kv.Key), "/alive") {
			agents = append(agents, kv)
		}
	}
	tell()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	changes := e.client.Watch(watching, e.prefix+"agent/", clientv3.WithPrefix(), clientv3.WithRev(present.Header.Revision+1))
	for len(agents) < n {
		select {
		case <-e.gone.Done():
			return nil, context.Cause(e.gone)
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d agents came: %w", len(agents), n, ctx.Err())
		case r, ok := <-changes:
			if !ok || r.Err() != nil {
				return nil, fmt.Errorf("watching for agents in etcd: %w", errors.Join(ctx.Err(), r.Err()))
			}
			for _, event := range r.Events {
				if !strings.HasSuffix(string(event.Kv.Key), "/alive") {
					continue
				}
				agents = slices.DeleteFunc(agents, func(kv *mvccpb.KeyValue) bool { return string(kv.Key) == string(event.Kv.Key) })
				if event.Type == mvccpb.PUT {
					agents = append(agents, event.Kv)
				}
			}
			tell()
		}
	}
	var links []Link
	for _, kv := range agents[:n] {
		own := strings.TrimSuffix(string(kv.Key), "alive")
		id := strings.TrimSuffix(strings.TrimPrefix(own, e.prefix+"agent/"), "/")
		l, err := e.link(ctx, own, own+"message/", e.prefix+"to/"+id+"/", own+"alive")
		if err != nil {
			for _, l := range links {
				l.(*etcdLink).stop()
			}
			return nil, err
		}
		links = append(links, l)
	}
	return links, nil
}

// JoinEtcd is the agent's side: it registers and returns the link to the coordinator, who may come later.
func JoinEtcd(ctx context.Context, c EtcdConfig) (Link, error) {
	e, err := dialEtcd(ctx, c, agentTTL)
	if err != nil {
		return nil, err
	}
	var random [8]byte
	rand.Read(random[:])
	id := hex.EncodeToString(random[:])
	l, err := e.link(ctx, e.prefix+"to/"+id+"/", e.prefix+"to/"+id+"/", e.prefix+"agent/"+id+"/message/", e.prefix+"coordinator/alive")
	if err == nil {
		err = e.create(ctx, e.prefix+"agent/"+id+"/alive", id)
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	l.owner = e
	return l, nil
}

// etcdLink is a Link between two processes that both have a lease.
type etcdLink struct {
	*Etcd
	inbox, outbox string
	peer          string // key that is there while the other side lives
	owner         *Etcd  // closed with the link; nil: the transport's
	stop          context.CancelFunc
	in            chan inbound
	done          chan struct{} // the reading goroutine has ended
	peerGone      chan struct{} // the peer's key was deleted
	mu            sync.Mutex    // guards next
	next          uint64        // number of the next key of the outbox
	parts         []byte
}

type inbound struct {
	event *clientv3.Event
	err   error
}

// partSize bounds a value: etcd takes requests of 1.5 MiB.
const partSize = 512 << 10

// link begins to read what is there and what changes. watched is a prefix that has the inbox, and the peer's key if that is the
// inbox's neighbour, so that the peer's last words are read before its end; a peer elsewhere is watched apart.
func (e *Etcd) link(starting context.Context, watched, inbox, outbox, peer string) (*etcdLink, error) {
	present, err := e.client.Get(starting, watched, clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend))
	if err != nil {
		return nil, fmt.Errorf("reading from etcd: %w", err)
	}
	ctx, stop := context.WithCancel(e.gone)
	l := &etcdLink{Etcd: e, inbox: inbox, outbox: outbox, peer: peer, stop: stop,
		in: make(chan inbound), done: make(chan struct{}), peerGone: make(chan struct{})}
	after := clientv3.WithRev(present.Header.Revision + 1)
	changes := e.client.Watch(ctx, watched, clientv3.WithPrefix(), after)
	var others clientv3.WatchChan
	if !strings.HasPrefix(peer, watched) {
		others = e.client.Watch(ctx, peer, after)
	}
	go func() {
		defer close(l.done)
		for _, kv := range present.Kvs {
			if !l.pass(ctx, inbound{event: &clientv3.Event{Type: mvccpb.PUT, Kv: kv}}) {
				return
			}
		}
		ended := false
		for {
			var r clientv3.WatchResponse
			var ok bool
			select {
			case r, ok = <-changes:
			case r, ok = <-others:
			}
			if !ok || r.Err() != nil {
				l.pass(ctx, inbound{err: fmt.Errorf("watching etcd: %w", errors.Join(context.Cause(e.gone), r.Err(), ctx.Err()))})
				return
			}
			for _, event := range r.Events {
				if string(event.Kv.Key) == peer && event.Type == mvccpb.DELETE && !ended {
					ended = true
					close(l.peerGone)
				}
				if !l.pass(ctx, inbound{event: event}) {
					return
				}
			}
		}
	}()
	return l, nil
}

func (l *etcdLink) pass(ctx context.Context, i inbound) bool {
	select {
	case l.in <- i:
		return true
	case <-ctx.Done():
		return false
	}
}

// Send writes a message in parts.
func (l *etcdLink) Send(ctx context.Context, m *Message) error {
	frame, err := AppendFrame(nil, m)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(frame) > 0 {
		n := min(len(frame), partSize)
		key := fmt.Sprintf("%s%016d", l.outbox, l.next)
		if _, err := l.client.Put(ctx, key, string(frame[:n]), clientv3.WithLease(l.lease)); err != nil {
			return fmt.Errorf("writing to etcd: %w", errors.Join(context.Cause(l.gone), err))
		}
		l.next++
		frame = frame[n:]
	}
	return nil
}

// Receive puts the next message together.
func (l *etcdLink) Receive(ctx context.Context) (*Message, error) {
	for {
		var i inbound
		select {
		case i = <-l.in:
		case <-l.gone.Done():
			return nil, context.Cause(l.gone)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if i.err != nil {
			return nil, i.err
		}
		key := string(i.event.Kv.Key)
		switch {
		case key == l.peer && i.event.Type == mvccpb.DELETE:
			return nil, errors.New("its lease in etcd has ended: it is dead, or had no connection for too long")
		case i.event.Type != mvccpb.PUT || !strings.HasPrefix(key, l.inbox):
			continue
		}
		l.parts = append(l.parts, i.event.Kv.Value...)
		whole, err := wholeFrame(l.parts)
		if err != nil {
			return nil, err
		}
		if !whole {
			continue
		}
		m, err := ReadFrame(strings.NewReader(string(l.parts)))
		l.parts = nil
		l.forget(ctx, key)
		return m, err
	}
}

// forget deletes what has been read, now and then: a message is small, the store has room for some.
func (l *etcdLink) forget(ctx context.Context, last string) {
	if strings.HasSuffix(last, "0") || strings.HasSuffix(last, "5") {
		ctx, cancel := context.WithTimeout(ctx, talkTimeout)
		defer cancel()
		_, _ = l.client.Delete(ctx, l.inbox, clientv3.WithRange(last+"\x00")) // what is left vanishes with the lease
	}
}

// Close of an agent's link gives its lease back; the coordinator's waits a moment for that, so that its last words are read.
func (l *etcdLink) Close() error {
	if l.owner == nil {
		l.awaitEnd()
	}
	l.stop()
	<-l.done
	if l.owner != nil {
		return l.owner.Close()
	}
	return nil
}

func (l *etcdLink) awaitEnd() {
	timer := time.NewTimer(endTimeout)
	defer timer.Stop()
	select {
	case <-l.peerGone:
	case <-timer.C:
	case <-l.gone.Done():
	}
}
