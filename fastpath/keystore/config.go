package keystore

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config declares what Scripted plays. What it does not declare does not exist or cannot be reached.
type Config struct {
	Clusters []ClusterConfig `yaml:"clusters"`
	Proxies  []ProxyConfig   `yaml:"proxies"`
}

// ClusterConfig is one CloudHSM cluster.
type ClusterConfig struct {
	ID          string             `yaml:"id"`
	Account     string             `yaml:"account"`          // empty: any
	Region      string             `yaml:"region"`           // empty: any
	Active      *bool              `yaml:"active"`           // nil: true
	HSMs        *int               `yaml:"hsms"`             // active ones, in Availability Zones of their own; nil: 2
	TrustAnchor string             `yaml:"trust_anchor"`     // PEM; empty: any is right
	Password    Secret             `yaml:"kmsuser_password"` // empty: any is right
	Backups     string             `yaml:"backup_history"`   // clusters of one name share theirs; empty: its own
	Outcomes    map[Call][]Outcome `yaml:"outcomes"`
}

// ProxyConfig is one path of an external key store's proxy.
type ProxyConfig struct {
	Endpoint     string              `yaml:"endpoint"` // https://host
	Path         string              `yaml:"path"`
	Account      string              `yaml:"account"`              // empty: any
	Region       string              `yaml:"region"`               // empty: any
	Service      string              `yaml:"vpc_endpoint_service"` // empty: reached through its public endpoint
	ServiceOwner string              `yaml:"vpc_endpoint_service_owner"`
	AccessKeyID  string              `yaml:"access_key_id"`         // empty: any is right
	SecretKey    Secret              `yaml:"raw_secret_access_key"` // empty: any is right
	Keys         []ExternalKeyConfig `yaml:"keys"`
	Outcomes     map[Call][]Outcome  `yaml:"outcomes"`
}

// ExternalKeyConfig is one key of the key manager behind a proxy.
type ExternalKeyConfig struct {
	ID     string   `yaml:"id"`
	Spec   string   `yaml:"spec"`   // empty: AES_256
	Usage  []string `yaml:"usage"`  // none: ENCRYPT and DECRYPT
	Status string   `yaml:"status"` // empty: ENABLED
}

// Outcome is how a call ends. Those of a call's list are played in turn, each Times times; one without Times is played
// for ever. After the list calls succeed.
type Outcome struct {
	Error string        `yaml:"error"` // empty: success
	Delay time.Duration `yaml:"delay"` // by the server's clock; of a proxy's calls, one above ProxyTimeout is no answer
	Times int           `yaml:"times"` // 0: for ever
}

// Secret is text that prints as nothing of itself.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return "REDACTED" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "REDACTED" }

// ConfigError says what is wrong where, as a path in the configuration such as "clusters[0].outcomes.connect[1].error".
type ConfigError struct{ Path, Text string }

func (e *ConfigError) Error() string { return e.Path + ": " + e.Text }

// Names that outcomes may have.
var (
	clusterConnection = []string{
		"INTERNAL_ERROR", "NETWORK_ERRORS", "INVALID_CREDENTIALS", "CLUSTER_NOT_FOUND", "INSUFFICIENT_CLOUDHSM_HSMS",
		"INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET", "SUBNET_NOT_FOUND", "USER_LOCKED_OUT", "USER_LOGGED_IN", "USER_NOT_FOUND",
	}
	proxyConnection = []string{
		"INTERNAL_ERROR", "NETWORK_ERRORS", "INVALID_CREDENTIALS", "XKS_PROXY_ACCESS_DENIED", "XKS_PROXY_INVALID_CONFIGURATION",
		"XKS_PROXY_INVALID_RESPONSE", "XKS_PROXY_INVALID_TLS_CONFIGURATION", "XKS_PROXY_NOT_REACHABLE", "XKS_PROXY_TIMED_OUT",
		"XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION", "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND",
	}
	proxyErrors = []string{
		"ValidationException", "InvalidStateException", "InvalidCiphertextException", "InvalidKeyUsageException",
		"AuthenticationFailedException", "AccessDeniedException", "KeyNotFoundException", "InvalidUriPathException",
		"ThrottlingException", "InternalException", "UnsupportedOperationException", "DependencyTimeoutException",
		NoConnection, NoTLS, NoAnswer, Malformed,
	}
	clusterUse = []string{"KMSInvalidStateException", "ThrottlingException", "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException"}
	proxyTrust = []string{
		"XksProxyUriUnreachableException", "XksProxyIncorrectAuthenticationCredentialException", "XksProxyInvalidResponseException",
		"XksProxyInvalidConfigurationException", "XksProxyVpcEndpointServiceNotFoundException",
		"XksProxyVpcEndpointServiceInvalidConfigurationException", "KMSInternalException",
	}

	clusterOutcomes = map[Call][]string{
		Create: {"CloudHsmClusterNotFoundException", "CloudHsmClusterNotActiveException", "CloudHsmClusterInvalidConfigurationException",
			"IncorrectTrustAnchorException", "CloudHsmClusterInUseException", "KMSInternalException"},
		Update: {"CloudHsmClusterNotFoundException", "CloudHsmClusterNotActiveException", "CloudHsmClusterInvalidConfigurationException",
			"CloudHsmClusterNotRelatedException", "KMSInternalException"},
		Connect:    append(slices.Clone(clusterConnection), synchronous...),
		Disconnect: nil,
		CreateKey:  {"CloudHsmClusterInvalidConfigurationException", "CustomKeyStoreInvalidStateException", "KMSInternalException", "DependencyTimeoutException"},
		Encrypt:    clusterUse,
		Decrypt:    clusterUse,
		Random:     {"CustomKeyStoreInvalidStateException", "ThrottlingException", "KMSInternalException", "DependencyTimeoutException"},
	}
	proxyOutcomes = map[Call][]string{
		Create:     append(slices.Clone(proxyErrors), proxyTrust...),
		Update:     append(slices.Clone(proxyErrors), proxyTrust...),
		Connect:    append(slices.Clone(proxyErrors), proxyConnection...),
		Disconnect: nil,
		CreateKey:  append(slices.Clone(proxyErrors), "XksKeyNotFoundException", "XksKeyInvalidConfigurationException", "CustomKeyStoreInvalidStateException", "KMSInternalException"),
		Encrypt:    append(slices.Clone(proxyErrors), "KMSInvalidStateException", "KMSInternalException", "KeyUnavailableException"),
		Decrypt:    append(slices.Clone(proxyErrors), "KMSInvalidStateException", "KMSInternalException", "KeyUnavailableException"),
	}
)

// synchronous are the refusals of ConnectCustomKeyStore itself; all other outcomes of a connection show later.
var synchronous = []string{"CloudHsmClusterNotActiveException", "CloudHsmClusterInvalidConfigurationException", "KMSInternalException"}

// Patterns of the API model, which no custom key store passes by.
var (
	clusterPattern  = regexp.MustCompile(`^cluster-[2-7a-zA-Z]{11,16}$`)
	endpointPattern = regexp.MustCompile(`^https://[a-zA-Z0-9.-]+$`)
	pathPattern     = regexp.MustCompile(`^(/[a-zA-Z0-9/_-]+)?/kms/xks/v\d{1,2}$`)
)

// Check finds the first thing that is wrong. Error: *ConfigError.
func (c *Config) Check() error {
	ids := map[string]bool{}
	for i := range c.Clusters {
		k, at := &c.Clusters[i], fmt.Sprintf("clusters[%d]", i)
		switch {
		case !clusterPattern.MatchString(k.ID):
			return &ConfigError{at + ".id", "is not the id of a CloudHSM cluster, such as cluster-2a34b5cdefg"}
		case ids[k.ID]:
			return &ConfigError{at + ".id", "is declared twice"}
		case k.HSMs != nil && (*k.HSMs < 0 || *k.HSMs > 28):
			return &ConfigError{at + ".hsms", "must be between 0 and 28"}
		}
		ids[k.ID] = true
		if err := checkOutcomes(at, k.Outcomes, clusterOutcomes, false); err != nil {
			return err
		}
	}
	for i := range c.Proxies {
		p, at := &c.Proxies[i], fmt.Sprintf("proxies[%d]", i)
		switch {
		case !endpointPattern.MatchString(p.Endpoint):
			return &ConfigError{at + ".endpoint", "must be https:// and a host, such as https://xks.example.com"}
		case !pathPattern.MatchString(p.Path):
			return &ConfigError{at + ".path", "must be /kms/xks/v1, with a prefix or without"}
		case ids[p.Endpoint+p.Path]:
			return &ConfigError{at + ".path", "is declared twice for this endpoint"}
		}
		ids[p.Endpoint+p.Path] = true
		for j := range p.Keys {
			if p.Keys[j].ID == "" {
				return &ConfigError{fmt.Sprintf("%s.keys[%d]", at, j), "has no id"}
			}
		}
		if err := checkOutcomes(at, p.Outcomes, proxyOutcomes, true); err != nil {
			return err
		}
	}
	return nil
}

func checkOutcomes(at string, given map[Call][]Outcome, known map[Call][]string, delays bool) error {
	for _, name := range sortedKeys(given) {
		call := Call(name)
		names, ok := known[call]
		if !ok {
			return &ConfigError{at + ".outcomes." + string(call), "is not a call; there are " + strings.Join(sortedKeys(known), ", ")}
		}
		for i, o := range given[call] {
			here := fmt.Sprintf("%s.outcomes.%s[%d]", at, call, i)
			switch {
			case o.Error != "" && !slices.Contains(names, o.Error):
				return &ConfigError{here + ".error", fmt.Sprintf("is no outcome of %s; there are %s", call, orNone(names))}
			case o.Times < 0:
				return &ConfigError{here + ".times", "must not be negative"}
			case o.Delay < 0:
				return &ConfigError{here + ".delay", "must not be negative"}
			case o.Delay > 0 && !delays && call != Connect && call != Disconnect:
				return &ConfigError{here + ".delay", "is for connect and disconnect only"}
			}
		}
	}
	return nil
}

func sortedKeys[V any](m map[Call]V) []string {
	var all []string
	for k := range m {
		all = append(all, string(k))
	}
	slices.Sort(all)
	return all
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
