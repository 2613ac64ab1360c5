package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"trent/hsm/appliance"
	"trent/hsm/appliance/supervise"
	"trent/hsm/fleet"
	"trent/hsm/host"
	"trent/hsm/link"
	"trent/loadgen/machine"
)

// startLimit bounds how long appliances take until they serve.
const startLimit = 30 * time.Second

// cluster is appliances of one domain, each a process of its own below this one, which is their host.
type cluster struct {
	host     *host.Host
	linked   *link.Host
	children *supervise.Supervisor
	dir      string
}

// openCluster starts n appliances, each with GOMAXPROCS so many, restarted when they end.
func openCluster(ctx context.Context, binary string, n, processors int) (_ *cluster, err error) {
	dir, err := os.MkdirTemp("", "trent-bench") // Unix sockets need a short path
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	owner := &host.Owner{Name: "bench", Record: filepath.Join(dir, "modules")}
	if owner.HostKey, err = host.MakeKey(filepath.Join(dir, "host.key"), false); err != nil {
		return nil, err
	}
	if owner.Operator, err = host.MakeKey(filepath.Join(dir, "operator.key"), true); err != nil {
		return nil, err
	}
	tokens, err := host.OpenFileTokens(filepath.Join(dir, "hsm"))
	if err != nil {
		return nil, err
	}
	if c.host, err = host.New(owner.HostKey.Signer, tokens); err != nil {
		return nil, err
	}
	owner.Host = c.host
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	c.children, err = supervise.Start(ctx, supervise.Options{
		Program: binary, Dir: filepath.Join(dir, "hsm"), N: n,
		Env: append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", processors), "XDG_CONFIG_HOME="+dir),
		Args: func(i int, state, listen string) []string {
			return []string{"hsm", "serve", "--state=" + state, "--listen=" + listen, "--init", "--quiet", "--lifeline",
				fmt.Sprintf("--seal-key=%s/seal-%d.key", dir, i)}
		},
		Ready: func(ctx context.Context, _ int, console *appliance.Console) error {
			return c.host.Deliver(ctx, console)
		},
	})
	if err != nil {
		return nil, err
	}
	var modules []host.Module
	for _, child := range c.children.Children() {
		modules = append(modules, child)
	}
	if err := owner.Gather(ctx, modules); err != nil {
		return nil, err
	}
	c.linked, err = link.NewHost(link.HostOptions{Peers: c.host, Hybrid: true})
	return c, err
}

// pin puts each appliance on the CPUs that of says.
func (c *cluster) pin(of func(i int) []int) error {
	for i, child := range c.children.Children() {
		if err := machine.PinProcess(child.PID(), of(i)); err != nil {
			return err
		}
	}
	return nil
}

// cpu is the CPU time of this process and the appliances, none of which may have been restarted meanwhile.
func (c *cluster) cpu() (time.Duration, error) {
	pids := []int{os.Getpid()}
	for _, child := range c.children.Children() {
		pids = append(pids, child.PID())
	}
	return processesCPU(pids...)
}

// kill ends an appliance as nothing that it could prepare for.
func (c *cluster) kill(i int) error {
	p, err := os.FindProcess(c.children.Children()[i].PID())
	if err != nil {
		return err
	}
	return p.Kill()
}

// client connects to an appliance.
func (c *cluster) client(ctx context.Context, i int) (*link.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return link.Dial(ctx, link.Options{Address: c.children.Children()[i].Listen, Host: c.linked})
}

// fleet makes one module of some appliances.
func (c *cluster) fleet(ctx context.Context, appliances ...int) (*fleet.Fleet, error) {
	o := fleet.Options{Deliver: func(ctx context.Context, m fleet.Member) error { return c.host.Deliver(ctx, m.Module.(host.Installer)) }}
	closeAll := func() (err error) {
		for _, m := range o.Members {
			err = errors.Join(err, m.Module.Close())
		}
		return err
	}
	for _, i := range appliances {
		client, err := c.client(ctx, i)
		if err != nil {
			return nil, errors.Join(err, closeAll())
		}
		o.Members = append(o.Members, fleet.Member{Name: fmt.Sprintf("hsm-%d", i+1), Module: client})
	}
	f, err := fleet.New(o)
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := f.Wait(ctx, len(appliances)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// close ends the appliances.
func (c *cluster) close() error {
	var err error
	if c.linked != nil {
		err = c.linked.Close()
	}
	if c.children != nil {
		c.children.Close()
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}
