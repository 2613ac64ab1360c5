package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"trent/fastpath/admin"
	"trent/hsm"
	"trent/hsm/host"
	"trent/hsm/operator"
	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/workload"
	"trent/results/stats"
)

const (
	rotationLimit  = 1.5 // p99 while domain keys rotate over p99 before
	rotationRate   = 4000
	rotationSpan   = 500 * time.Millisecond
	rotationKeys   = 256 // whose tokens are to be encrypted again
	rotationLength = 20  // most rounds of one server: a domain has room for 64 keys, and each stays for a day
	rotationOthers = 0.1
	rotationSettle = 20 * time.Second
)

// rotationPair is the p99 of one round in which nothing rotates and of one in which domain keys do.
type rotationPair struct {
	calm, rotating float64 // µs
	calls, failed  uint64
	errors         map[string]uint64
	spilled        bool // tokens were encrypted again beyond the round
}

// Rotation measures p99 of Encrypt through the server while its domain keys rotate, against before, where the HSM is embedded in
// the server and where it is a process of its own.
func Rotation(ctx context.Context, r *Report, binary string, pairs int) error {
	for _, mode := range []string{"embedded", "spawn"} {
		if err := rotationOf(ctx, r, mode, binary, min(pairs, rotationLength)); err != nil {
			return fmt.Errorf("%s: %w", mode, err)
		}
	}
	return nil
}

func rotationOf(ctx context.Context, r *Report, mode, binary string, pairs int) error {
	dir, err := os.MkdirTemp("", "trent-bench") // a data directory cannot change its mode
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, err := mixOf("Encrypt", symmetricDefault, rotationKeys)
	if err != nil {
		return err
	}
	return beside(ctx, binary, dir, func(trent *subject, server, client []int) error {
		rotate, err := newRotator(ctx, mode, dir)
		if err != nil {
			return err
		}
		if rotate == nil {
			return rotationInProcess(ctx, r, pairs)
		}
		keys, err := engine.Provision(ctx, trent.target, w, engine.ProvisionOptions{Keep: true})
		if err != nil {
			return err
		}
		if _, _, err := run(ctx, trent, w, keys, rotationRate, round/2); err != nil { // warms
			return err
		}
		own := func() (time.Duration, error) {
			self, err := processesCPU(os.Getpid())
			if err != nil {
				return 0, err
			}
			served, err := trent.cpu()
			return self + served, err
		}
		found, took, err := collect(ctx, pairs, rounds{[]int{server[0], client[0]}, own, rotationOthers}, func() (rotationPair, error) {
			return rotationRound(ctx, trent, w, keys, rotate)
		})
		if err != nil {
			return err
		}
		addRotation(r, found, took, "--hsm "+mode, fmt.Sprintf("%d/s, %d keys, %s", rotationRate, rotationKeys, rotate.how))
		return nil
	}, "--audit", "off", "--hsm", mode)
}

func addRotation(r *Report, found []rotationPair, t took, where, note string) {
	var calm, rotating []float64
	var calls, failed uint64
	why, spilled := "", 0
	for _, p := range found {
		calm, rotating = append(calm, p.calm), append(rotating, p.rotating)
		calls, failed = calls+p.calls, failed+p.failed
		if p.spilled {
			spilled++
		}
		if p.failed > 0 {
			why = fmt.Sprintf("; %v", p.errors)
		}
	}
	if spilled > 0 {
		note += fmt.Sprintf(", which took longer than the round in %d of %d", spilled, len(found))
	}
	r.add(t.judged(atMost("Encrypt p99 while domain keys rotate over before, "+where, "×", stats.PairedRatio(rotating, calm, stats.Options{}), rotationLimit,
		fmt.Sprintf("%.0f µs against %.0f µs, %s", stats.Median(rotating), stats.Median(calm), note))))
	r.add(single("Encrypt, requests that failed around rotations, "+where, "", float64(failed), 0, true, fmt.Sprintf("of %d%s", calls, why)))
}

// rotationRound loads the server twice for a while, and has domain keys rotate in one of the two.
func rotationRound(ctx context.Context, trent *subject, w *workload.Workload, keys *engine.Provisioned, rotate *rotator) (p rotationPair, err error) {
	p.errors = map[string]uint64{}
	for _, i := range mathrand.Perm(2) {
		rotated := make(chan error, 1)
		if i == 1 {
			time.AfterFunc(rotationSpan/10, func() { rotated <- rotate.rotate(ctx) })
		} else {
			rotated <- nil
		}
		_, summary, err := run(ctx, trent, w, keys, rotationRate, rotationSpan)
		if err := errors.Join(err, <-rotated); err != nil {
			return p, err
		}
		p99 := measure.Quantile(summary.Latency(measure.OK), 0.99).Seconds() * 1e6
		if i == 1 {
			p.rotating = p99
			if p.spilled, err = rotate.settle(ctx); err != nil {
				return p, err
			}
		} else {
			p.calm = p99
		}
		p.calls += summary.Asked()
		p.failed += summary.Asked() - summary.Count(measure.OK)
		for name, n := range summary.Errors {
			p.errors[name] += n
		}
	}
	return p, nil
}

// rotator has a server's domain keys rotate.
type rotator struct {
	client *admin.Client
	rotate func(context.Context) error
	how    string
}

// newRotator finds by what the server on a directory rotates its domain keys; nil: by nothing from outside.
func newRotator(ctx context.Context, mode, dir string) (*rotator, error) {
	client := admin.NewClient(filepath.Join(dir, "data"))
	verb := func(ctx context.Context) error {
		var answer struct {
			Pending string `json:"pending"`
		}
		if err := client.Command(ctx, "domain-rotate", struct{}{}, &answer); err != nil {
			return err
		}
		if answer.Pending != "" {
			return errors.New("the new domain key does not seal yet: " + answer.Pending)
		}
		return nil
	}
	var refused *admin.CommandError
	switch err := verb(ctx); {
	case err == nil:
		return &rotator{client, verb, "tokens encrypted again in the background"}, nil
	case !errors.As(err, &refused):
		return nil, err
	case mode == "embedded":
		return nil, nil
	}
	key, err := host.OpenKey(filepath.Join(dir, "seal.host.key"))
	if err != nil {
		return nil, err
	}
	return &rotator{client, func(ctx context.Context) error { return commandRotation(ctx, client, key) }, "tokens left as they are"}, nil
}

// settle waits until the server encrypts no tokens again; spilled: it still did.
func (r *rotator) settle(ctx context.Context) (spilled bool, err error) {
	for end := time.Now().Add(rotationSettle); ; time.Sleep(20 * time.Millisecond) {
		var s struct {
			DomainKeys struct {
				State string `json:"state"`
			} `json:"domainKeys"`
		}
		if err := r.client.Status(ctx, &s); err != nil {
			return spilled, err
		}
		switch s.DomainKeys.State {
		case "", "idle", "retiring":
			return spilled, nil
		}
		if spilled = true; time.Now().After(end) {
			return spilled, fmt.Errorf("%v after the rotation the server is still %s", rotationSettle, s.DomainKeys.State)
		}
	}
}

// commandRotation has a server's appliances make a domain key and seal by it, by commands of the server's own key.
func commandRotation(ctx context.Context, client *admin.Client, key *operator.Key) error {
	var answer struct {
		Token []byte `json:"token"`
	}
	if err := client.Command(ctx, "hsm-token", struct{}{}, &answer); err != nil {
		return err
	}
	for _, kind := range []operator.CommandKind{operator.RotateKeys, operator.ActivateKey} {
		state, _, err := hsm.ParseDomainToken(answer.Token)
		if err != nil {
			return err
		}
		c := operator.Command{Kind: kind}
		for _, k := range state.Keys {
			if kind == operator.ActivateKey && k.Phase.String() == "pending" {
				c.Version = k.Version
			}
		}
		proposed, err := operator.Propose(state, c, time.Now(), time.Minute)
		if err != nil {
			return err
		}
		signed, err := operator.Sign(proposed, key.Signer, rand.Reader)
		if err != nil {
			return err
		}
		if err := client.Command(ctx, "hsm-execute", struct {
			Command []byte `json:"command"`
		}{signed}, &answer); err != nil {
			return err
		}
	}
	return nil
}
