package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// readyInfo is how to reach a running server. It lies in the data directory while the server runs, and in
// the file that --ready-file names; `trent env` and the harness read it.
type readyInfo struct {
	Endpoint  string `json:"endpoint"`
	CA        string `json:"ca"`     // the local CA's certificate, PEM
	Bundle    string `json:"bundle"` // system roots and the local CA, PEM
	Metrics   string `json:"metrics,omitempty"`
	Plaintext string `json:"plaintext,omitempty"` // without TLS, for comparisons
	PID       int    `json:"pid"`
	Region    string `json:"region"`
	Account   string `json:"account"`
	BuiltIn   bool   `json:"builtInCredential"`

	VPCEndpoints []readyEndpoint `json:"vpcEndpoints,omitempty"`
}

const readyName = "server.json"

// announce writes the ready files, once requests are accepted.
func (r *running) announce(s *settings) error {
	dir, err := filepath.Abs(s.DataDir)
	if err != nil {
		return failure(err, "")
	}
	for _, p := range []*string{&r.ready.CA, &r.ready.Bundle} {
		if *p, err = filepath.Abs(*p); err != nil {
			return failure(err, "")
		}
	}
	for _, path := range []string{filepath.Join(dir, readyName), s.ReadyFile} {
		if path == "" {
			continue
		}
		if err := writeJSONFile(path, r.ready); err != nil {
			return failure(fmt.Errorf("announcing the server: %w", err), "")
		}
	}
	return nil
}

// removeReady takes the announcement back.
func removeReady(dir string) error {
	if err := os.Remove(filepath.Join(dir, readyName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// writeJSONFile replaces path as a whole, so that a reader never sees half of it.
func writeJSONFile(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// readReady reads what the server of a data directory announced.
func readReady(dir string) (readyInfo, error) {
	var info readyInfo
	b, err := os.ReadFile(filepath.Join(dir, readyName))
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return info, fmt.Errorf("%s: %w", filepath.Join(dir, readyName), err)
	}
	return info, nil
}
