package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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
func (f *agentFlags) group(e *environment, o *attack.Options) (*cluster.Group, error) {
	if f.agents == 0 && f.cluster == "" {
		if f.shrink {
			return nil, usageError(errors.New("--shrink without agents"), "it goes with --agents")
		}
		return nil, nil
	}
	if f.agents < 1 || f.agents > cluster.MaxAgents {
		return nil, usageError(fmt.Errorf("--agents %d: expected 1 to %d", f.agents, cluster.MaxAgents), "say how many agents take part, for example --agents 4")
	}
	transport, err := f.transport(e, o.Tool)
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

func (f *agentFlags) transport(e *environment, tool string) (cluster.Transport, error) {
	if f.cluster != "" {
		return nil, usageError(errors.New("--cluster is not there yet"), "")
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
	c := &cobra.Command{
		Use:   "agent",
		Short: "Take part in a load test that another machine coordinates",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			options := cluster.AgentOptions{Tool: "trent " + version}
			if pipe {
				return serveParent(c.Context(), e, options)
			}
			return usageError(errors.New("no cluster to join"), "give --cluster")
		},
	}
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

// agentCredentials are the agent's own, from the usual environment.
func agentCredentials(e *environment) engine.Credentials {
	return engine.Credentials{AccessKeyID: e.Getenv("AWS_ACCESS_KEY_ID"), Secret: e.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: e.Getenv("AWS_SESSION_TOKEN")}
}
