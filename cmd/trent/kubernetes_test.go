package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"trent/loadgen/cluster"
	"trent/loadgen/schedule"
)

// object is what the manifests have of Kubernetes' own types.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   meta   `yaml:"metadata"`
	Spec       struct {
		// of a Service
		ClusterIP string         `yaml:"clusterIP"`
		Selector  map[string]any `yaml:"selector"`
		Ports     []struct {
			Name string
			Port int
		} `yaml:"ports"`
		// of a StatefulSet and a Job
		ServiceName    string `yaml:"serviceName"`
		Replicas       int    `yaml:"replicas"`
		CompletionMode string `yaml:"completionMode"`
		Completions    int    `yaml:"completions"`
		Parallelism    int    `yaml:"parallelism"`
		BackoffLimit   *int   `yaml:"backoffLimit"`
		Template       struct {
			Metadata meta `yaml:"metadata"`
			Spec     pod  `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type meta struct {
	Name      string            `yaml:"name"`
	Namespace string            `yaml:"namespace"`
	Labels    map[string]string `yaml:"labels"`
}

type pod struct {
	RestartPolicy             string `yaml:"restartPolicy"`
	TopologySpreadConstraints []struct {
		MaxSkew           int    `yaml:"maxSkew"`
		TopologyKey       string `yaml:"topologyKey"`
		WhenUnsatisfiable string `yaml:"whenUnsatisfiable"`
		LabelSelector     struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"labelSelector"`
	} `yaml:"topologySpreadConstraints"`
	Containers []struct {
		Name    string   `yaml:"name"`
		Image   string   `yaml:"image"`
		Command []string `yaml:"command"`
		Args    []string `yaml:"args"`
		Ports   []struct {
			Name          string `yaml:"name"`
			ContainerPort int    `yaml:"containerPort"`
		} `yaml:"ports"`
		Env []struct {
			Name  string `yaml:"name"`
			Value string `yaml:"value"`
		} `yaml:"env"`
		EnvFrom []struct {
			SecretRef struct {
				Name string `yaml:"name"`
			} `yaml:"secretRef"`
		} `yaml:"envFrom"`
		Resources struct {
			Requests map[string]string `yaml:"requests"`
			Limits   map[string]string `yaml:"limits"`
		} `yaml:"resources"`
		VolumeMounts []struct {
			Name      string `yaml:"name"`
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	} `yaml:"containers"`
	Volumes []struct {
		Name      string                 `yaml:"name"`
		EmptyDir  *struct{}              `yaml:"emptyDir"`
		ConfigMap *struct{ Name string } `yaml:"configMap"`
	} `yaml:"volumes"`
}

func manifests(t *testing.T) map[string]object {
	t.Helper()
	data, err := os.ReadFile("../../scripts/kubernetes/agents.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]object{}
	for decoder := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()); ; {
		var o object
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[o.Kind+" "+o.Metadata.Name] = o
	}
}

// flagsOf parses a container's arguments as the program would.
func flagsOf(t *testing.T, args []string) *pflag.FlagSet {
	t.Helper()
	var verb *cobra.Command
	for _, c := range newRootCommand(&environment{Getenv: os.Getenv}).Commands() {
		if c.Name() == args[0] {
			verb = c
		}
	}
	if verb == nil {
		t.Fatalf("no verb %q", args[0])
	}
	if err := verb.ParseFlags(args[1:]); err != nil {
		t.Fatalf("%s: %v", args[0], err)
	}
	if left := verb.Flags().Args(); len(left) > 0 {
		t.Errorf("%s: arguments %q", args[0], left)
	}
	return verb.Flags()
}

// The manifest has the fields that Kubernetes knows and no others, its parts fit together, and trent takes the flags it gives.
func TestKubernetesManifest(t *testing.T) {
	t.Parallel()
	all := manifests(t)
	if len(all) != 4 {
		t.Fatalf("%d objects", len(all))
	}
	for name, o := range all {
		if want := map[string]string{"Service": "v1", "StatefulSet": "apps/v1", "Job": "batch/v1"}[o.Kind]; o.APIVersion != want || o.Metadata.Namespace != "load" {
			t.Errorf("%s: %s in %s", name, o.APIVersion, o.Metadata.Namespace)
		}
		if o.Kind == "Job" && (o.Spec.Template.Spec.RestartPolicy != "Never" || o.Spec.BackoffLimit == nil || *o.Spec.BackoffLimit != 0) {
			t.Errorf("%s would be tried again", name)
		}
		for _, c := range o.Spec.Template.Spec.Containers {
			for _, m := range c.VolumeMounts {
				found := false
				for _, v := range o.Spec.Template.Spec.Volumes {
					found = found || v.Name == m.Name && (v.EmptyDir != nil) != (v.ConfigMap != nil)
				}
				if !found {
					t.Errorf("%s: no volume %s", name, m.Name)
				}
			}
			for resource, limit := range c.Resources.Limits {
				if c.Resources.Requests[resource] != limit {
					t.Errorf("%s: %s requested %s, limited to %s", name, resource, c.Resources.Requests[resource], limit)
				}
			}
		}
	}
	agents, coordinator := all["Job agents"], all["Job coordinator"]
	if agents.Spec.CompletionMode != "Indexed" || agents.Spec.Completions != agents.Spec.Parallelism {
		t.Errorf("agents: %+v", agents.Spec)
	}
	a, c := agents.Spec.Template.Spec.Containers[0], coordinator.Spec.Template.Spec.Containers[0]
	ours, theirs := flagsOf(t, a.Args), flagsOf(t, c.Args)
	value := func(f *pflag.FlagSet, name string) string { return f.Lookup(name).Value.String() }
	address, err := cluster.ParseEtcd(value(ours, "cluster"))
	if err != nil || value(theirs, "cluster") != value(ours, "cluster") || a.Image != c.Image {
		t.Errorf("agents meet at %q (%v), the coordinator at %q", value(ours, "cluster"), err, value(theirs, "cluster"))
	}
	if service := all["Service etcd"]; service.Spec.ClusterIP != "None" || !strings.HasPrefix(address.Endpoints[0], service.Metadata.Name+"."+service.Metadata.Namespace+".svc:") {
		t.Errorf("no service for %s", address.Endpoints)
	}
	if n, err := theirs.GetInt("agents"); err != nil || n != agents.Spec.Completions {
		t.Errorf("%d agents of %d", n, agents.Spec.Completions)
	}
	if _, err := schedule.Parse(value(theirs, "schedule"), 1); err != nil {
		t.Error(err)
	}
	for _, f := range []*pflag.FlagSet{ours, theirs} {
		if value(f, "allow-remote") != "true" || value(f, "max-requests") == "0" {
			t.Error("a load on another machine without a cap")
		}
	}
}
