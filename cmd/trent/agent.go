package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"trent/loadgen/attack"
	"trent/loadgen/cluster"
	"trent/loadgen/engine"
)

// agentFlags spread the load over agents.
type agentFlags struct {
	agents  int
	cluster string
	shrink  bool
}

func (f *agentFlags) bind(c *cobra.Command) {
	flags := c.Flags()
	flags.IntVar(&f.agents, "agents", 0, "spread the load over this many processes, as one run (0: none but this)")
	flags.StringVar(&f.cluster, "cluster", "", "take the agents of other machines: etcd://HOST:PORT[,…]/RUN, where 'trent agent' runs with the same value")
	flags.BoolVar(&f.shrink, "shrink", false, "judge the load that is left where agents are lost, instead of calling it inconclusive")
}

// group makes the coordinator that the flags ask for and puts it into the options; nil without agents.
func (f *agentFlags) group(c *cobra.Command, e *environment, o *attack.Options) (*cluster.Group, error) {
	if f.agents == 0 && f.cluster == "" {
		if f.shrink {
			return nil, usageError(errors.New("--shrink without agents"), "it goes with --agents")
		}
		return nil, nil
	}
	if f.agents < 1 || f.agents > cluster.MaxAgents {
		return nil, usageError(fmt.Errorf("--agents %d: expected 1 to %d", f.agents, cluster.MaxAgents), "say how many agents take part, for example --agents 4")
	}
	transport, err := f.transport(c, e)
	if err != nil {
		return nil, err
	}
	group, err := cluster.New(cluster.Options{Transport: transport, Agents: f.agents, Tool: o.Tool, Engine: o.Engine,
		WorkloadSource: o.WorkloadSource, Limits: o.Limits, Shrink: f.shrink, Display: o.Display})
	if err != nil {
		return nil, usageError(err, "see 'trent attack --help'")
	}
	o.Sender, o.Review = group, group.Review
	return group, nil
}

func (f *agentFlags) transport(c *cobra.Command, e *environment) (cluster.Transport, error) {
	if f.cluster != "" {
		config, err := etcdConfig(e, f.cluster)
		if err != nil {
			return nil, err
		}
		ctx, stop := interruptible(c.Context())
		defer stop()
		store, err := cluster.NewEtcd(ctx, config)
		if err != nil {
			return nil, failure(err, "is etcd running there, and may this machine reach it?")
		}
		return store, nil
	}
	program, err := os.Executable()
	if err != nil {
		return nil, failure(fmt.Errorf("finding this program: %w", err), "leave out --agents")
	}
	return &cluster.Pipes{Program: program, Args: []string{"agent", "--pipe"}}, nil
}

func newAgentCommand(e *environment) *cobra.Command {
	var pipe bool
	var target targetFlags
	var address, endpoint string
	c := &cobra.Command{
		Use:   "agent",
		Short: "Take part in a load test that another machine coordinates",
		Long: `Agent waits in an etcd for the run of a name, takes its share of the hits when 'trent attack' with the same
--cluster starts, ships what it measured, and ends. It signs with its own credentials, from AWS_* variables;
etcd never sees any. Whoever may write to that etcd can tell agents what to send and where, so an endpoint
that is not on this machine needs --allow-remote here too.

etcd is reached as etcdctl would: ETCDCTL_USER (NAME:PASSWORD), ETCDCTL_PASSWORD, and with etcds:// the files
ETCDCTL_CACERT, ETCDCTL_CERT and ETCDCTL_KEY.`,
		Example: `  trent agent --cluster etcd://etcd.example:2379/run-7 --allow-remote --max-requests 1000000
  trent attack --cluster etcd://etcd.example:2379/run-7 --agents 8 --rate 100000 …   # on one other machine`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			options := cluster.AgentOptions{Tool: "trent " + version}
			if pipe {
				return serveParent(c.Context(), e, options)
			}
			if address == "" {
				return usageError(errors.New("no cluster to join"), "give --cluster etcd://HOST:PORT/RUN")
			}
			options.Endpoint, options.AllowRemote, options.MaxRequests = endpoint, target.allowRemote, target.maxRequests
			return serveCluster(c.Context(), e, address, options)
		},
	}
	c.Flags().StringVar(&address, "cluster", "", "where to meet: etcd://HOST:PORT[,…]/RUN, or etcds:// for TLS")
	c.Flags().StringVar(&endpoint, "endpoint", "", "URL of the KMS endpoint, where it has another name from here than the run's")
	c.Flags().BoolVar(&pipe, "pipe", false, "be an agent of the parent process, over standard input and output")
	if err := c.Flags().MarkHidden("pipe"); err != nil {
		panic(err) // the flag is bound above
	}
	target.bind(c)
	return c
}

// serveParent is an agent of the parent process. A Ctrl-C in the terminal reaches parent and children alike; what it means is the
// parent's to say.
func serveParent(ctx context.Context, e *environment, o cluster.AgentOptions) error {
	signal.Ignore(os.Interrupt)
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	o.Trusted = true
	if err := trustedRoots(e, &o); err != nil {
		return err
	}
	if err := cluster.Serve(ctx, cluster.NewStream(e.Stdin, e.Stdout, func() error { return nil }), o); err != nil && !errors.Is(err, io.EOF) {
		return failure(err, "")
	}
	return nil
}

// serveCluster is an agent of a run in etcd.
func serveCluster(ctx context.Context, e *environment, address string, o cluster.AgentOptions) error {
	config, err := etcdConfig(e, address)
	if err != nil {
		return err
	}
	o.Credentials = engine.Credentials{AccessKeyID: e.Getenv("AWS_ACCESS_KEY_ID"), Secret: e.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: e.Getenv("AWS_SESSION_TOKEN")}
	if o.Credentials.AccessKeyID == "" || o.Credentials.Secret == "" {
		return usageError(errors.New("no credentials to sign with"), "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	if err := trustedRoots(e, &o); err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	o.Say = func(format string, args ...any) { fmt.Fprintf(e.Stderr, format+"\n", args...) }
	link, err := cluster.JoinEtcd(ctx, config)
	if err != nil {
		return failure(err, "is etcd running there, and may this machine reach it?")
	}
	o.Say("waiting for run %s", config.Run)
	err = errors.Join(cluster.Serve(ctx, link, o), link.Close())
	switch {
	case ctx.Err() != nil:
		return &exitError{Code: exitInterrupted, Err: err}
	case err != nil:
		return failure(err, "see what the coordinator says")
	}
	return nil
}

// etcdConfig reads where the agents meet, and who may, from the variables of etcdctl.
func etcdConfig(e *environment, address string) (cluster.EtcdConfig, error) {
	at, err := cluster.ParseEtcd(address)
	if err != nil {
		return cluster.EtcdConfig{}, usageError(err, "for example --cluster etcd://127.0.0.1:2379/run-7")
	}
	c := cluster.EtcdConfig{EtcdAddress: at, Password: e.Getenv("ETCDCTL_PASSWORD")}
	user, password, ok := strings.Cut(e.Getenv("ETCDCTL_USER"), ":")
	if c.Username = user; ok {
		c.Password = password
	}
	if !at.TLS {
		return c, nil
	}
	c.Config = &tls.Config{MinVersion: tls.VersionTLS12}
	if bundle := e.Getenv("ETCDCTL_CACERT"); bundle != "" {
		if c.Config.RootCAs, err = certificates(bundle); err != nil {
			return c, usageError(err, "ETCDCTL_CACERT must name a file of certificates in PEM")
		}
	}
	if cert := e.Getenv("ETCDCTL_CERT"); cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, e.Getenv("ETCDCTL_KEY"))
		if err != nil {
			return c, usageError(fmt.Errorf("reading the certificate for etcd: %w", err), "ETCDCTL_CERT and ETCDCTL_KEY must name files in PEM")
		}
		c.Config.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// trustedRoots takes the certificates that AWS_CA_BUNDLE names.
func trustedRoots(e *environment, o *cluster.AgentOptions) error {
	bundle := e.Getenv("AWS_CA_BUNDLE")
	if bundle == "" {
		return nil
	}
	roots, err := certificates(bundle)
	if err != nil {
		return usageError(err, "AWS_CA_BUNDLE must name a file of certificates in PEM")
	}
	o.RootCAs = roots
	return nil
}
