package keystore

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
	"sync"
	"time"
)

// Scripted is a Backend that plays what a Config declares. Passwords and secret keys of the configuration are kept as
// their hashes only.
type Scripted struct {
	clock    func() time.Time
	clusters []cluster
	proxies  []proxy

	mu       sync.Mutex
	attempts map[attempt]Outcome // connections that began and have not ended
}

type cluster struct {
	ClusterConfig
	password hash
	script   script
}

type proxy struct {
	ProxyConfig
	secret hash
	script script
}

// attempt is one connection, or its end, of one custom key store.
type attempt struct {
	place  [3]string // partition, account, Region
	store  string
	number uint32
}

var _ Backend = (*Scripted)(nil)

// NewScripted makes a backend; clock, which decides when delays are over, may be nil for time.Now. Error: *ConfigError.
func NewScripted(c Config, clock func() time.Time) (*Scripted, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if clock == nil {
		clock = time.Now
	}
	s := &Scripted{clock: clock, attempts: map[attempt]Outcome{}}
	for _, k := range c.Clusters {
		one := cluster{ClusterConfig: k, password: hashOf([]byte(k.Password)), script: newScript(k.Outcomes)}
		one.Password = ""
		s.clusters = append(s.clusters, one)
	}
	for _, p := range c.Proxies {
		one := proxy{ProxyConfig: p, secret: hashOf([]byte(p.SecretKey)), script: newScript(p.Outcomes)}
		one.SecretKey = ""
		s.proxies = append(s.proxies, one)
	}
	return s, nil
}

// hash is a secret's; the zero value is of a secret that may be anything.
type hash [sha256.Size]byte

func hashOf(secret []byte) hash {
	if len(secret) == 0 {
		return hash{}
	}
	return sha256.Sum256(secret)
}

func (h *hash) matches(secret []byte) bool {
	if *h == (hash{}) {
		return true
	}
	given := hashOf(secret)
	return subtle.ConstantTimeCompare(h[:], given[:]) == 1
}

// script is the outcomes that are left, by call. It is used under Scripted's lock.
type script map[Call][]Outcome

func newScript(outcomes map[Call][]Outcome) script {
	s := script{}
	for call, all := range outcomes {
		s[call] = slices.Clone(all)
	}
	return s
}

// next takes the outcome of a call.
func (s script) next(call Call) Outcome {
	left := s[call]
	if len(left) == 0 {
		return Outcome{}
	}
	o := left[0]
	if o.Times > 0 {
		if left[0].Times--; left[0].Times == 0 {
			s[call] = left[1:]
		}
	}
	return o
}

func (s *Scripted) play(from script, call Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := from.next(call)
	switch {
	case o.Delay > ProxyTimeout: // the configuration lets only proxies' calls have one
		return &Failure{NoAnswer}
	case o.Error != "":
		return &Failure{o.Error}
	}
	return nil
}

func here(account, region string, t *Target) bool {
	return (account == "" || account == t.Account) && (region == "" || region == t.Region)
}

func (s *Scripted) cluster(t *Target, id string) *cluster {
	for i := range s.clusters {
		if k := &s.clusters[i]; k.ID == id && here(k.Account, k.Region, t) {
			return k
		}
	}
	return nil
}

func (k *cluster) active() bool { return k.Active == nil || *k.Active }

func (k *cluster) hsms() int {
	if k.HSMs == nil {
		return 2
	}
	return *k.HSMs
}

// Check implements Backend.
func (s *Scripted) Check(_ context.Context, call Call, t *Target, related string) error {
	if t.Cluster == "" {
		return s.checkProxy(call, t)
	}
	k := s.cluster(t, t.Cluster)
	if k == nil && call == Connect {
		return nil // shows as CLUSTER_NOT_FOUND
	}
	if k == nil {
		return &Failure{"CloudHsmClusterNotFoundException"}
	}
	if call == Connect {
		if err := s.refusal(k); err != nil {
			return err
		}
	} else if err := s.play(k.script, call); err != nil {
		return err
	}
	needed := 2
	if call == Connect {
		needed = 1
	}
	switch {
	case !k.active():
		return &Failure{"CloudHsmClusterNotActiveException"}
	case k.hsms() < needed:
		return &Failure{"CloudHsmClusterInvalidConfigurationException"}
	case related != "" && !s.SharesBackups(t, related):
		return &Failure{"CloudHsmClusterNotRelatedException"}
	case call == Create && k.TrustAnchor != "" && !sameText(k.TrustAnchor, t.TrustAnchor):
		return &Failure{"IncorrectTrustAnchorException"}
	}
	return nil
}

// refusal takes the next outcome of a connection if it is one of ConnectCustomKeyStore itself.
func (s *Scripted) refusal(k *cluster) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := k.script[Connect]; len(left) > 0 && slices.Contains(synchronous, left[0].Error) {
		return &Failure{k.script.next(Connect).Error}
	}
	return nil
}

// sameText compares PEM without regard to line ends and blanks around.
func sameText(a, b string) bool {
	clean := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return clean(a) == clean(b)
}

// SharesBackups implements Backend.
func (s *Scripted) SharesBackups(t *Target, other string) bool {
	a, b := s.cluster(t, t.Cluster), s.cluster(t, other)
	return t.Cluster == other || a != nil && b != nil && a.Backups != "" && a.Backups == b.Backups
}

// proxy finds the declared proxy, or why there is none.
func (s *Scripted) proxy(t *Target) (*proxy, error) {
	missing := NoConnection
	for i := range s.proxies {
		p := &s.proxies[i]
		if p.Endpoint != t.Endpoint || !here(p.Account, p.Region, t) || (p.Service != "") != t.VPC {
			continue
		}
		if p.Path == t.Path {
			return p, nil
		}
		missing = "InvalidUriPathException"
	}
	return nil, &Failure{missing}
}

// service finds fault with a VPC endpoint service.
func (s *Scripted) service(t *Target) error {
	if !t.VPC {
		return nil
	}
	missing := "XksProxyVpcEndpointServiceNotFoundException"
	for i := range s.proxies {
		p := &s.proxies[i]
		if p.Service != t.Service || !here(p.Account, p.Region, t) || t.ServiceOwner != "" && p.ServiceOwner != "" && t.ServiceOwner != p.ServiceOwner {
			continue
		}
		if p.Endpoint == t.Endpoint {
			return nil
		}
		missing = "XksProxyVpcEndpointServiceInvalidConfigurationException" // its private DNS name is another one
	}
	return &Failure{missing}
}

// checkProxy is Check of an external key store. A proxy behind a VPC endpoint service is not called before the store is
// connected or updated.
func (s *Scripted) checkProxy(call Call, t *Target) error {
	if call == Connect {
		return nil // shows as a connection error code
	}
	if err := s.service(t); err != nil {
		return err
	}
	p, err := s.proxy(t)
	if t.VPC && call == Create {
		if err != nil {
			return nil
		}
		return s.play(p.script, call)
	}
	if err != nil {
		return err
	}
	return s.call(p, call, t)
}

// call plays one call of a proxy, which looks at the credential.
func (s *Scripted) call(p *proxy, call Call, t *Target) error {
	if err := s.play(p.script, call); err != nil {
		return err
	}
	return p.authenticate(t)
}

func (p *proxy) authenticate(t *Target) error {
	if p.AccessKeyID != "" && p.AccessKeyID != t.AccessKeyID || !p.secret.matches(t.Secret) {
		return &Failure{"AuthenticationFailedException"}
	}
	return nil
}

// Connect implements Backend.
func (s *Scripted) Connect(_ context.Context, t *Target) error {
	if t.Cluster == "" {
		if err := s.service(t); err != nil {
			return err
		}
		p, err := s.proxy(t)
		if err != nil {
			return err
		}
		if err := s.attempt(p.script, Connect, t); err != nil {
			return err
		}
		return p.authenticate(t)
	}
	k := s.cluster(t, t.Cluster)
	if k == nil {
		return &Failure{"CLUSTER_NOT_FOUND"}
	}
	if err := s.attempt(k.script, Connect, t); err != nil {
		return err
	}
	switch {
	case !k.active():
		return &Failure{"CLUSTER_NOT_FOUND"}
	case k.hsms() < 1:
		return &Failure{"INSUFFICIENT_CLOUDHSM_HSMS"}
	case !k.password.matches(t.Secret):
		return &Failure{"INVALID_CREDENTIALS"}
	}
	return nil
}

// Disconnect implements Backend.
func (s *Scripted) Disconnect(_ context.Context, t *Target) error {
	if t.Cluster == "" {
		if p, err := s.proxy(t); err == nil {
			return s.attempt(p.script, Disconnect, t)
		}
		return nil
	}
	if k := s.cluster(t, t.Cluster); k != nil {
		return s.attempt(k.script, Disconnect, t)
	}
	return nil
}

// attempt plays the outcome of a connection, whose delay counts from when it began. The outcome is taken once an attempt,
// and again after a restart.
func (s *Scripted) attempt(from script, call Call, t *Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := attempt{[3]string{t.Partition, t.Account, t.Region}, t.Store, t.Attempt}
	o, begun := s.attempts[at]
	if !begun {
		o = from.next(call)
	}
	if end := t.Began.Add(o.Delay); o.Delay > 0 && end.After(s.clock()) {
		s.attempts[at] = o
		return &Later{end}
	}
	delete(s.attempts, at)
	if o.Error != "" {
		return &Failure{o.Error}
	}
	return nil
}

// ExternalKey implements Backend.
func (s *Scripted) ExternalKey(_ context.Context, t *Target, id string) (ExternalKey, error) {
	p, err := s.proxy(t)
	if err != nil {
		return ExternalKey{}, err
	}
	if err := s.call(p, CreateKey, t); err != nil {
		return ExternalKey{}, err
	}
	return p.key(id)
}

func (p *proxy) key(id string) (ExternalKey, error) {
	for _, k := range p.Keys {
		if k.ID != id {
			continue
		}
		e := ExternalKey{Spec: k.Spec, Usage: k.Usage, Status: k.Status}
		if e.Spec == "" {
			e.Spec = "AES_256"
		}
		if e.Usage == nil {
			e.Usage = []string{"ENCRYPT", "DECRYPT"}
		}
		if e.Status == "" {
			e.Status = "ENABLED"
		}
		return e, nil
	}
	return ExternalKey{}, &Failure{"KeyNotFoundException"}
}

// Use implements Backend. The credential was looked at when the store was connected.
func (s *Scripted) Use(_ context.Context, call Call, t *Target, external string) error {
	if t.Cluster != "" {
		k := s.cluster(t, t.Cluster)
		if k == nil || !k.active() || k.hsms() < 1 {
			return &Failure{"NETWORK_ERRORS"}
		}
		return s.play(k.script, call)
	}
	p, err := s.proxy(t)
	if err != nil {
		return err
	}
	if err := s.play(p.script, call); err != nil {
		return err
	}
	key, err := p.key(external)
	switch {
	case err != nil:
		return err
	case key.Status != "ENABLED":
		return &Failure{"InvalidStateException"}
	case !slices.Contains(key.Usage, strings.ToUpper(string(call))):
		return &Failure{"InvalidKeyUsageException"}
	}
	return nil
}
