package identity

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
)

// maxConfig bounds a configuration in bytes.
const maxConfig = 1 << 20

// ParseConfig reads a configuration in YAML or JSON, strictly; its files are not read yet. The text of an error has line
// and column, and does not quote the configuration, which may hold secrets.
func ParseConfig(text []byte) (Config, error) {
	var c Config
	if len(text) > maxConfig {
		return c, fmt.Errorf("this is larger than %d bytes", maxConfig)
	}
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		return Config{}, errors.New(yaml.FormatError(err, false, false))
	}
	return c, nil
}
