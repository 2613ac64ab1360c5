package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"trent/loadgen/compare"
	"trent/loadgen/machine"
	"trent/results/stats"
)

// handshakesARound is how many handshakes a round has: with the dearest of them a second or less.
const handshakesARound = 300

// resumedLimit is what a resumed handshake may cost, in full ones.
const resumedLimit = 0.5

// shake is one kind of handshake with one server.
type shake struct {
	server  *subject
	group   tls.CurveID
	resumed bool
	micros  []float64 // CPU of the server a handshake, one a round
}

// Handshakes measures the server's CPU a TLS 1.3 handshake, each on a connection of its own without a request: resumed
// beside full, and hybrid beside classical, the same by the echo floor's stock crypto/tls.
func Handshakes(ctx context.Context, r *Report, binary, dir string, pairs int) error {
	return beside(ctx, binary, dir, func(trent *subject, server, _ []int) error {
		floor, err := startFloor(ctx, dir, server, 64)
		if err != nil {
			return err
		}
		defer floor.stop()
		like, err := startLikeFloor(ctx, binary, dir+"/handshake", server)
		if err != nil {
			return err
		}
		defer like.stop()
		const full, resumed, classical, floorFull, floorClassical, likeFull, likeResumed = 0, 1, 2, 3, 4, 5, 6
		kinds := []shake{
			full:           {server: trent, group: tls.X25519MLKEM768},
			resumed:        {server: trent, group: tls.X25519MLKEM768, resumed: true},
			classical:      {server: trent, group: tls.X25519},
			floorFull:      {server: floor, group: tls.X25519MLKEM768},
			floorClassical: {server: floor, group: tls.X25519},
			likeFull:       {server: like, group: tls.X25519MLKEM768},
			likeResumed:    {server: like, group: tls.X25519MLKEM768, resumed: true},
		}
		discarded, err := handshakeRounds(ctx, kinds, pairs)
		if err != nil {
			return err
		}
		ratio := func(a, b int) stats.Estimate {
			return stats.PairedRatio(kinds[a].micros, kinds[b].micros, stats.Options{})
		}
		note := func(a, b int) string {
			return fmt.Sprintf("%.0f µs against %.0f µs, %d rounds of %d, %d discarded", stats.Median(kinds[a].micros), stats.Median(kinds[b].micros),
				len(kinds[a].micros), handshakesARound, discarded)
		}
		beside := func(name string, a, b int) {
			e := ratio(a, b)
			r.add(Figure{Name: name, Unit: "×", Value: e.Point, Low: e.Low, High: e.High, Verdict: Noted, Note: note(a, b)})
		}
		r.add(atMost("CPU a resumed TLS 1.3 handshake over a full one", "×", ratio(resumed, full), resumedLimit, note(resumed, full)))
		beside("CPU a hybrid handshake (X25519MLKEM768) over a classical one (X25519)", full, classical)
		beside("CPU a hybrid handshake over a classical one, echo floor", floorFull, floorClassical)
		beside("CPU a hybrid handshake over the echo floor's, both with ECDSA P-256 certificates", likeFull, floorFull)
		beside("CPU a resumed handshake over a full one, with an ECDSA P-256 certificate", likeResumed, likeFull)
		return nil
	}, "--audit", "off")
}

// handshakeRounds lets all kinds have their turns, in random order in each round, until there are so many rounds.
func handshakeRounds(ctx context.Context, kinds []shake, rounds int) (discarded int, err error) {
	for done := 0; done < rounds; {
		if err := ctx.Err(); err != nil {
			return discarded, err
		}
		if discarded > 2*rounds {
			return discarded, fmt.Errorf("%d rounds were disturbed (stolen CPU above %.0f %%)", discarded, stealLimit*100)
		}
		probe := machine.NewProbe(machine.Host{}, 0)
		before := probe.Snapshot()
		found := make([]float64, len(kinds))
		for _, i := range rand.Perm(len(kinds)) {
			if found[i], err = kinds[i].round(); err != nil {
				return discarded, fmt.Errorf("shaking hands with %s: %w", kinds[i].server.name, err)
			}
		}
		usage := probe.Usage(before, probe.Snapshot())
		if usage.Stolen(machine.Host{}.UsableCPUs()) > stealLimit {
			discarded++
			continue
		}
		for i := range kinds {
			kinds[i].micros = append(kinds[i].micros, found[i])
		}
		done++
	}
	return discarded, nil
}

// round is the server's CPU a handshake, in microseconds.
func (k *shake) round() (float64, error) {
	config := &tls.Config{RootCAs: k.server.target.RootCAs, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{k.group}}
	if k.resumed {
		config.ClientSessionCache = new(oneTicket)
		if _, err := shakeHands(k.server, config); err != nil { // which brings the ticket
			return 0, err
		}
	}
	before, err := k.server.cpu()
	if err != nil {
		return 0, err
	}
	for range handshakesARound {
		state, err := shakeHands(k.server, config)
		switch {
		case err != nil:
			return 0, err
		case state.DidResume != k.resumed || state.CurveID != k.group:
			return 0, fmt.Errorf("resumed %v by %v", state.DidResume, state.CurveID)
		}
	}
	after, err := k.server.cpu()
	return (after - before).Seconds() * 1e6 / handshakesARound, err
}

// shakeHands is one handshake; it returns once the server has ended the connection, and so all its work for it.
func shakeHands(s *subject, config *tls.Config) (tls.ConnectionState, error) {
	u, err := url.Parse(s.ready.Endpoint)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: config}
	connection, err := dialer.Dial("tcp", u.Host)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	c := connection.(*tls.Conn)
	defer c.Close()
	err = errors.Join(c.SetDeadline(time.Now().Add(10*time.Second)), c.CloseWrite())
	if err == nil {
		_, err = io.Copy(io.Discard, c) // reads the ticket, too
	}
	return c.ConnectionState(), err
}

// startLikeFloor starts Trent with a certificate of the floor's kind. Its own are of RSA, whose signature outweighs the rest
// of a handshake.
func startLikeFloor(ctx context.Context, binary, dir string, cpus []int) (*subject, error) {
	if err := mkdir(dir); err != nil {
		return nil, err
	}
	cert, chain, err := compare.FloorCertificate()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, err
	}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := errors.Join(os.WriteFile(certFile, chain, 0o600), os.WriteFile(keyFile, key, 0o600)); err != nil {
		return nil, err
	}
	s, err := startTrent(ctx, binary, dir, cpus, "--audit", "off", "--tls-cert", certFile, "--tls-key", keyFile)
	if err != nil {
		return nil, err
	}
	s.target.RootCAs = x509.NewCertPool()
	s.target.RootCAs.AppendCertsFromPEM(chain)
	return s, nil
}

// oneTicket is a session cache that keeps its first session, for every handshake after it.
type oneTicket struct{ session *tls.ClientSessionState }

func (o *oneTicket) Get(string) (*tls.ClientSessionState, bool) { return o.session, o.session != nil }

func (o *oneTicket) Put(_ string, s *tls.ClientSessionState) {
	if o.session == nil {
		o.session = s
	}
}
