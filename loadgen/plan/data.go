package plan

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"trent/loadgen/plan/sim"
	"trent/loadgen/quota"
	"trent/loadgen/workload"
	"trent/loadgen/yamlfile"
)

//go:embed data/prices.yaml
var defaultPrices []byte

//go:embed data/profiles.yaml
var defaultProfiles []byte

// QuotaSource and QuotaDate are where the default quotas come from.
const (
	QuotaSource = `AWS KMS developer guide, "Request quotas"`
	QuotaDate   = "2026"
)

// Prices is a price list.
type Prices struct {
	Source   string  `yaml:"source"`
	Date     string  `yaml:"date"` // year and month
	Currency string  `yaml:"currency"`
	Month    Length  `yaml:"month"`
	Key      float64 `yaml:"key"`
	Rotation float64 `yaml:"rotation"`
	Free     float64 `yaml:"free"`
	Classes  []Class `yaml:"classes"`
}

// Class is requests of one price.
type Class struct {
	Name     string  `yaml:"name"`
	Per10000 float64 `yaml:"per_10000"`
	Free     bool    `yaml:"free"` // has a part in the free requests
}

// Classes that a price list must have.
var priceClasses = []string{"symmetric", "rsa-2048", "asymmetric", "ecc-key-pair", "rsa-key-pair"}

// Profile is a kind of HSM.
type Profile struct {
	Name       string             `yaml:"name"`
	Title      string             `yaml:"title"`
	Source     string             `yaml:"source"`
	Date       string             `yaml:"date"`
	Engines    int                `yaml:"engines"` // operations under way at a time
	Delay      Length             `yaml:"delay"`
	Assumed    string             `yaml:"assumed"`    // which of the two above are not published
	Operations map[string]float64 `yaml:"operations"` // operations a second by kind, with all engines busy

	recorded map[string]recordedTime // by the API's operation, instead of Operations
}

// recordedTime is what a call of a recorded run took of a server, and besides.
type recordedTime struct{ service, delay sim.Sampler }

// Length is a duration as Go writes it.
type Length time.Duration

// UnmarshalYAML reads 5ms, 730h and the like.
func (l *Length) UnmarshalYAML(text []byte) error {
	d, err := time.ParseDuration(strings.Trim(strings.TrimSpace(string(text)), `"'`))
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no duration such as 5ms or 730h", strings.TrimSpace(string(text)))
	}
	*l = Length(d)
	return nil
}

// FileError is what is wrong with a data file, and where.
type FileError = yamlfile.Error

// maxFile bounds a data file.
const maxFile = 1 << 20

// ReadFile reads a data file; one that is too large is cut, so that parsing it fails. Error: it cannot be read.
func ReadFile(path string) ([]byte, error) {
	data, err := workload.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

// decode reads strict YAML. Errors are *FileError.
func decode(file string, data []byte, into any) error {
	if err := yamlfile.Check(file, data, maxFile); err != nil {
		return err
	}
	if err := yaml.UnmarshalWithOptions(data, into, yaml.Strict()); err != nil {
		return yamlfile.Located(file, err, err.Error())
	}
	return nil
}

// wrong is a mistake at a path such as "$.classes[2]", or the nearest part above it that is there.
func wrong(file string, data []byte, path, format string, args ...any) error {
	e := &FileError{File: file, Message: fmt.Sprintf(format, args...), Line: 1, Column: 1}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return e
	}
	for path != "" && path != "$" {
		if p, err := yaml.PathString(path); err == nil {
			if node, err := p.FilterFile(tree); err == nil && node != nil && node.GetToken() != nil {
				at := beginning(node).GetToken().Position
				e.Line, e.Column = at.Line, at.Column
				return e
			}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return e
}

// beginning is the node to point at: a block mapping's own token is its first colon.
func beginning(node ast.Node) ast.Node {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key
		}
	case *ast.MappingValueNode:
		return n.Key
	}
	return node
}

// DefaultPrices is the built-in price list.
func DefaultPrices() *Prices {
	p, err := ParsePrices("prices", defaultPrices)
	if err != nil {
		panic(err) // the tests parse it
	}
	return p
}

// ParsePrices reads a price list. Errors are *FileError.
func ParsePrices(file string, data []byte) (*Prices, error) {
	p := &Prices{}
	if err := decode(file, data, p); err != nil {
		return nil, err
	}
	switch {
	case p.Source == "" || p.Date == "":
		return nil, wrong(file, data, "$", "source and date are missing: say where the prices are from")
	case !dated(p.Date):
		return nil, wrong(file, data, "$.date", "%q is no date such as 2026-10", p.Date)
	case p.Currency == "":
		return nil, wrong(file, data, "$", "currency is missing")
	case p.Month <= 0 || time.Duration(p.Month) > 31*Day*time.Second:
		return nil, wrong(file, data, "$.month", "month must be above 0 and at most 744h")
	case !amount(p.Key) || !amount(p.Rotation) || !(p.Free >= 0 && p.Free <= 1e15):
		return nil, wrong(file, data, "$", "key, rotation and free must be 0 or more")
	}
	seen := map[string]bool{}
	for i, c := range p.Classes {
		at := fmt.Sprintf("$.classes[%d]", i)
		switch {
		case !slices.Contains(priceClasses, c.Name):
			return nil, wrong(file, data, at+".name", "unknown class %q: expected one of %s", c.Name, strings.Join(priceClasses, ", "))
		case seen[c.Name]:
			return nil, wrong(file, data, at+".name", "class %q appears twice", c.Name)
		case !amount(c.Per10000):
			return nil, wrong(file, data, at+".per_10000", "a price must be 0 or more")
		}
		seen[c.Name] = true
	}
	for _, name := range priceClasses {
		if !seen[name] {
			return nil, wrong(file, data, "$.classes", "class %q has no price", name)
		}
	}
	return p, nil
}

func amount(v float64) bool { return v >= 0 && v <= 1e9 }

func dated(text string) bool {
	for _, layout := range []string{"2006", "2006-01", "2006-01-02"} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}

// DefaultProfiles are the built-in HSMs.
func DefaultProfiles() []Profile {
	p, err := ParseProfiles("profiles", defaultProfiles)
	if err != nil {
		panic(err) // the tests parse it
	}
	return p
}

// ParseProfiles reads HSM profiles. Errors are *FileError.
func ParseProfiles(file string, data []byte) ([]Profile, error) {
	var doc struct {
		Profiles []Profile `yaml:"profiles"`
	}
	if err := decode(file, data, &doc); err != nil {
		return nil, err
	}
	if len(doc.Profiles) == 0 || len(doc.Profiles) > 256 {
		return nil, wrong(file, data, "$", "profiles must hold 1 to 256 HSMs")
	}
	for i := range doc.Profiles {
		p := &doc.Profiles[i]
		at := fmt.Sprintf("$.profiles[%d]", i)
		switch {
		case p.Name == "":
			return nil, wrong(file, data, at, "profile has no name")
		case slices.ContainsFunc(doc.Profiles[:i], func(o Profile) bool { return o.Name == p.Name }):
			return nil, wrong(file, data, at+".name", "profile %q appears twice", p.Name)
		case p.Source == "" || !dated(p.Date):
			return nil, wrong(file, data, at, "profile %q needs a source and a date such as 2026-11", p.Name)
		case p.Engines < 1 || p.Engines > 4096:
			return nil, wrong(file, data, at+".engines", "engines must be from 1 to 4096")
		case time.Duration(p.Delay) > time.Minute:
			return nil, wrong(file, data, at+".delay", "delay must be at most 1m")
		case len(p.Operations) == 0:
			return nil, wrong(file, data, at, "profile %q has no operations", p.Name)
		}
		if p.Title == "" {
			p.Title = p.Name
		}
		for kind, rate := range p.Operations {
			switch {
			case !slices.Contains(hsmKinds, kind):
				return nil, wrong(file, data, at+".operations", "unknown kind of operation %q: expected one of %s", kind, strings.Join(hsmKinds, ", "))
			case !(rate > 0 && rate <= 1e9):
				return nil, wrong(file, data, at+".operations", "%s: a rate must be above 0", kind)
			}
		}
	}
	return doc.Profiles, nil
}

// Origin is where figures are from, and of when.
type Origin struct{ Source, Date string }

// quotaFile is a file of quotas that differ from the published defaults.
type quotaFile struct {
	Source string             `yaml:"source"`
	Date   string             `yaml:"date"`
	Region string             `yaml:"region"` // "": any
	Quotas map[string]float64 `yaml:"quotas"`
}

// short names for the quotas that operations share.
var short = map[string]string{"symmetric": quota.Symmetric, "rsa": quota.RSA, "ecc": quota.ECC, "ml-dsa": quota.MLDSA, "custom-key-store": quota.KeyStore}

// ParseQuotas reads quotas that replace some of a table: by their Service Quotas name, an operation (CreateKey), or
// symmetric, rsa, ecc, ml-dsa, custom-key-store. Errors are *FileError.
func ParseQuotas(file string, data []byte, table *quota.Table) (*quota.Table, Origin, error) {
	var none Origin
	var doc quotaFile
	if err := decode(file, data, &doc); err != nil {
		return nil, none, err
	}
	switch {
	case doc.Region != "" && doc.Region != table.Region:
		return nil, none, wrong(file, data, "$.region", "the quotas are of %s, the plan is for %s", doc.Region, table.Region)
	case len(doc.Quotas) == 0:
		return nil, none, wrong(file, data, "$", "quotas is missing or empty")
	case doc.Date != "" && !dated(doc.Date):
		return nil, none, wrong(file, data, "$.date", "%q is no date such as 2026-10", doc.Date)
	}
	rates := map[string]float64{}
	for name, rate := range doc.Quotas {
		full := name
		if long, ok := short[name]; ok {
			full = long
		} else if _, ok := table.Named(name + " request rate"); ok {
			full = name + " request rate"
		}
		if _, ok := table.Named(full); !ok {
			return nil, none, wrong(file, data, "$.quotas", "unknown quota %q: use symmetric, rsa, ecc, ml-dsa, custom-key-store, an operation such as CreateKey, or the name in Service Quotas", name)
		}
		if !(rate >= 0.001 && rate <= 1e9) {
			return nil, none, wrong(file, data, "$.quotas", "quota %q: a rate must be from 0.001 to 1e9 a second", name)
		}
		if _, twice := rates[full]; twice {
			return nil, none, wrong(file, data, "$.quotas", "quota %q appears twice", name)
		}
		rates[full] = rate
	}
	out, err := table.With(rates)
	if err != nil {
		return nil, none, &FileError{File: file, Message: err.Error()}
	}
	if doc.Source == "" {
		doc.Source = file
	}
	return out, Origin{doc.Source, doc.Date}, nil
}
