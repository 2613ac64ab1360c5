package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"

	"trent/fastpath/fault"
	"trent/fastpath/frontend"
	"trent/fastpath/identity"
	"trent/fastpath/keystore"
	"trent/fastpath/quota"
)

// settings are what `trent serve` can be told, by flag or by config file. Every flag has a key of the same
// name in the file, with underscores for dashes; credentials stand in the file only.
type settings struct {
	Listen       string   `yaml:"listen"`
	AdminListen  string   `yaml:"admin_listen"`
	DataDir      string   `yaml:"data_dir"`
	Names        []string `yaml:"names"`
	Regions      []string `yaml:"regions"`
	Account      string   `yaml:"account"`
	AllowBuiltIn bool     `yaml:"allow_built_in_credential"`

	ResourceQuotas resourceQuotas `yaml:"resource_quotas"`
	RequestQuotas  requestQuotas  `yaml:"request_quotas"`
	Principals     principalMode  `yaml:"principals"`
	Authz          authzMode      `yaml:"authz"`

	HSM            hsmMode `yaml:"hsm"`
	HSMHostKey     string  `yaml:"hsm_host_key"`
	HSMDomainToken string  `yaml:"hsm_domain_token"`

	DomainRotation rotationPeriod `yaml:"domain_rotation"`

	SealKey          string `yaml:"seal_key"`
	SealPassphrase   bool   `yaml:"seal_passphrase"`
	SealPassphraseFD int    `yaml:"seal_passphrase_fd"`
	SealCredential   string `yaml:"seal_credential"`

	ArenaBytes        int           `yaml:"arena_bytes"`
	RequireLocked     bool          `yaml:"require_locked"`
	Workers           int           `yaml:"workers"`
	Slots             int           `yaml:"slots"`
	SlotIdle          time.Duration `yaml:"slot_idle"`
	AsymmetricEngines int           `yaml:"asymmetric_engines"`
	Kernel            string        `yaml:"kernel"`
	KeyPool           []string      `yaml:"key_pool"`
	AttestationRoot   string        `yaml:"attestation_root"`

	CacheKeys       int           `yaml:"cache_keys"`
	StoreCacheBytes int64         `yaml:"store_cache_bytes"`
	MaxBodyBytes    int           `yaml:"max_body_bytes"`
	MaxHeaderBytes  int           `yaml:"max_header_bytes"`
	IdleTimeout     time.Duration `yaml:"idle_timeout"`
	FIPS            bool          `yaml:"fips"`
	ReadTimeout     time.Duration `yaml:"read_timeout"`
	WriteTimeout    time.Duration `yaml:"write_timeout"`
	MaxHandshakes   int           `yaml:"max_handshakes"`
	HandshakeTime   time.Duration `yaml:"handshake_timeout"`
	TLSCert         string        `yaml:"tls_cert"`
	TLSKey          string        `yaml:"tls_key"`
	ClientCA        string        `yaml:"client_ca"`
	PQ              frontend.PQ   `yaml:"pq"`
	TicketRotation  time.Duration `yaml:"ticket_rotation"`
	DrainTimeout    time.Duration `yaml:"drain_timeout"`
	PlaintextListen string        `yaml:"plaintext_listen"`
	TestClock       bool          `yaml:"test_clock"`
	ReadyFile       string        `yaml:"ready_file"`

	// Of the file only.
	Credentials        []identity.CredentialConfig        `yaml:"credentials"`
	Policies           map[string]identity.Document       `yaml:"policies"`
	Accounts           []identity.AccountConfig           `yaml:"accounts"`
	ServiceCredentials []identity.ServiceCredentialConfig `yaml:"service_credentials"`
	Backends           keystore.Config                    `yaml:"custom_key_store_backends"`
	Faults             []fault.Rule                       `yaml:"faults"`
	Transitions        transitionSettings                 `yaml:"transitions"`

	Audit auditSettings `yaml:"audit"`

	VPCEndpoints []endpointSettings `yaml:"vpc_endpoints"`

	configDir string // that files named in the config file are relative to
}

var defaultKeyPool = []string{"RSA_2048=4", "RSA_3072=2", "RSA_4096=1"}

// defaultSettings are the settings of a server that is told nothing.
func defaultSettings(getenv func(string) string) settings {
	return settings{
		Listen:           "127.0.0.1:8443",
		AdminListen:      "127.0.0.1:8444",
		DataDir:          defaultDataDir(getenv),
		Account:          identity.DefaultAccount,
		ResourceQuotas:   resourceQuotas{quota.Default()},
		SealPassphraseFD: -1,
		SlotIdle:         time.Second,
		KeyPool:          slices.Clone(defaultKeyPool),
		CacheKeys:        1 << 20,
		StoreCacheBytes:  64 << 20,
		MaxBodyBytes:     1 << 20,
		MaxHeaderBytes:   frontend.DefaultMaxHeader,
		IdleTimeout:      5 * time.Minute,
		ReadTimeout:      frontend.DefaultReadTimeout,
		WriteTimeout:     frontend.DefaultWriteTimeout,
		MaxHandshakes:    frontend.DefaultMaxHandshakes,
		HandshakeTime:    frontend.DefaultHandshakeTimeout,
		TicketRotation:   frontend.DefaultTicketRotation,
		DrainTimeout:     10 * time.Second,
		Audit:            defaultAudit(getenv),
	}
}

// defaultDataDir follows the XDG base directory specification.
func defaultDataDir(getenv func(string) string) string {
	if d := getenv("TRENT_DATA_DIR"); d != "" {
		return d
	}
	if d := getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "trent")
	}
	return filepath.Join(getenv("HOME"), ".local", "share", "trent")
}

// bind declares the flags of s on fs, with the present values as defaults.
func (s *settings) bind(fs *pflag.FlagSet) {
	fs.StringVar(&s.Listen, "listen", s.Listen, "address of the KMS endpoint (TLS)")
	fs.StringVar(&s.AdminListen, "admin-listen", s.AdminListen, "address of /healthz and /metrics (plain HTTP, reads only); empty: none")
	fs.StringVar(&s.DataDir, "data-dir", s.DataDir, "directory of the store, the sealed domain and the local CA")
	fs.StringSliceVar(&s.Names, "names", s.Names, "further DNS names or addresses for the server certificate")
	fs.StringSliceVar(&s.Regions, "regions", s.Regions, "Regions that are served (default: all known ones)")
	fs.StringVar(&s.Account, "account", s.Account, "account of the built-in credential, 12 digits")
	fs.BoolVar(&s.AllowBuiltIn, "allow-built-in-credential", s.AllowBuiltIn, "keep the well-known credential test/test even where --listen is not loopback")
	fs.Var(&s.ResourceQuotas, "resource-quotas", "what an account and a key may have: off, default or aws (default and the number of keys), with overrides, such as aws,keys=500")
	fs.Var(&s.Authz, "authz", "what becomes of decisions: enforce; log, where what policies deny is logged and done; or off, where everybody may do everything in the account of the credential")
	fs.Var(&s.Principals, "principals", "whom policies and grants may name: open (whoever is well-formed) or strict (who exists, as the service)")
	fs.Var(&s.RequestQuotas, "request-quotas", "how often an account may call in a Region: off, or aws, with overrides, such as aws,scale=0.01,CreateKey=50,rsa=off")

	fs.Var(&s.HSM, "hsm", "where keys are: embedded, in this process; spawn or spawn:N, in child processes; unix:PATH or HOST:PORT,…, in appliances that run; pkcs11:MODULE.so?token=LABEL&pin-file=FILE, in a device")
	fs.StringVar(&s.HSMHostKey, "hsm-host-key", s.HSMHostKey, "key file by which appliances know this server (default: made beside the seal key)")
	fs.StringVar(&s.HSMDomainToken, "hsm-domain-token", s.HSMDomainToken, "file of the newest domain token, from the operators: for the first start with appliances that run, or after changes by operators")
	fs.Var(&s.DomainRotation, "domain-rotation", "how often domain keys rotate, or off: by command alone; a domain of appliances that run has a period of its own (default: 24h)")

	fs.StringVar(&s.SealKey, "seal-key", s.SealKey, "key file that opens the sealed domain (default: made outside the data directory)")
	fs.BoolVar(&s.SealPassphrase, "seal-passphrase", s.SealPassphrase, "open the sealed domain by a passphrase asked for on the terminal")
	fs.IntVar(&s.SealPassphraseFD, "seal-passphrase-fd", s.SealPassphraseFD, "open the sealed domain by a passphrase read from this file descriptor")
	fs.StringVar(&s.SealCredential, "seal-credential", s.SealCredential, "open the sealed domain by this file in $CREDENTIALS_DIRECTORY")

	fs.IntVar(&s.ArenaBytes, "arena-bytes", s.ArenaBytes, "locked memory for keys in bytes (0: as the limit allows)")
	fs.BoolVar(&s.RequireLocked, "require-locked", s.RequireLocked, "refuse to start where memory for keys cannot be locked")
	fs.IntVar(&s.Workers, "workers", s.Workers, "HSM workers (0: eight a core, at least 64)")
	fs.IntVar(&s.Slots, "slots", s.Slots, "ready key states a worker keeps (0: default, -1: none)")
	fs.DurationVar(&s.SlotIdle, "slot-idle", s.SlotIdle, "wipe ready key states that were idle this long (negative: never)")
	fs.IntVar(&s.AsymmetricEngines, "asymmetric-engines", s.AsymmetricEngines, "RSA operations and key generations at a time (0: one a core)")
	fs.StringVar(&s.Kernel, "kernel", s.Kernel, "AES-GCM kernel: aesni, std or std-fips (default: the best that this CPU has)")
	fs.StringSliceVar(&s.KeyPool, "key-pool", s.KeyPool, "RSA keys to make ahead while the HSM is idle, as SPEC=NUMBER; none: no keys")
	fs.StringVar(&s.AttestationRoot, "attestation-root", s.AttestationRoot, "PEM file of the roots that attestation documents in Recipient must lead to (default: the AWS Nitro root)")

	fs.IntVar(&s.CacheKeys, "cache-keys", s.CacheKeys, "keys kept in the read cache at the most (about 1 KiB each)")
	fs.Int64Var(&s.StoreCacheBytes, "store-cache-bytes", s.StoreCacheBytes, "block cache of the store in bytes")
	fs.IntVar(&s.MaxBodyBytes, "max-body-bytes", s.MaxBodyBytes, "largest request body in bytes")
	s.bindLimits(fs)
	fs.DurationVar(&s.IdleTimeout, "idle-timeout", s.IdleTimeout, "close connections that were idle this long")
	fs.BoolVar(&s.FIPS, "fips", s.FIPS, "use Go's FIPS 140-3 module and its approved cryptography only; refused where the process does not run in its mode")
	fs.StringVar(&s.TLSCert, "tls-cert", s.TLSCert, "PEM certificate chain of your own, read again on SIGHUP or 'trent certificates reload' (default: the local CA makes one)")
	fs.StringVar(&s.TLSKey, "tls-key", s.TLSKey, "PEM key of --tls-cert")
	fs.StringVar(&s.ClientCA, "client-ca", s.ClientCA, "PEM file of the CAs whose certificates clients must show (mutual TLS; default: none is asked for)")
	fs.Var(&s.PQ, "pq", "hybrid post-quantum key exchange: prefer, require (nothing else, and so no TLS 1.2) or off")
	fs.DurationVar(&s.TicketRotation, "ticket-rotation", s.TicketRotation, "new key for TLS 1.3 session tickets this often; the one before opens tickets for as long again (0: no resumption)")
	fs.DurationVar(&s.DrainTimeout, "drain-timeout", s.DrainTimeout, "how long requests in progress may take after SIGTERM")
	fs.StringVar(&s.PlaintextListen, "plaintext-listen", s.PlaintextListen, "also serve without TLS on this loopback address, for comparisons")
	fs.BoolVar(&s.TestClock, "test-clock", s.TestClock, "let 'trent clock' move the time of rotations, deletions, expiries and dates forward")
	fs.Var(&s.Audit, "audit", "keep CloudTrail records of requests: on (below the data directory), off, or a directory; more in the config file (default: $TRENT_AUDIT, else on)")
	fs.StringVar(&s.ReadyFile, "ready-file", s.ReadyFile, "write the server's addresses to this file (JSON) once it accepts requests")
}

// loadSettings reads the config file, where one is given, over the defaults, then the flags that were set
// over both.
func loadSettings(flags *pflag.FlagSet, configFile string, getenv func(string) string) (settings, error) {
	s := defaultSettings(getenv)
	if configFile != "" {
		text, err := os.ReadFile(configFile)
		if err != nil {
			return s, usageError(fmt.Errorf("config file: %w", err), "give --config the path of a YAML file, or leave it out")
		}
		s.configDir = filepath.Dir(configFile)
		if err := parseConfig(text, &s); err != nil {
			return s, usageError(fmt.Errorf("config file %s: %w", configFile, err),
				"'trent serve --help' says what may stand in the file")
		}
	}
	over := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.bind(over)
	var errs error
	flags.Visit(func(f *pflag.Flag) {
		target := over.Lookup(f.Name)
		if target == nil || errs != nil {
			return
		}
		if from, ok := f.Value.(pflag.SliceValue); ok {
			errs = target.Value.(pflag.SliceValue).Replace(from.GetSlice())
			return
		}
		errs = target.Value.Set(f.Value.String())
	})
	return s, errs
}

// parseConfig decodes YAML over s. Unknown keys, wrong types and duplicate keys are errors that name line
// and column; the text never quotes the file, which may hold secrets.
func parseConfig(text []byte, s *settings) error {
	if empty(text) {
		return nil // which the YAML library would decode as a settings of nothing
	}
	if err := yaml.UnmarshalWithOptions(text, s, yaml.Strict()); err != nil {
		return withToken(text, errors.New(plainly(yaml.FormatError(err, false, false))))
	}
	return withPlace(text, s.check())
}
