package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// hsmMode is where the HSM runs: in this process, in children of it, in processes that run already, or in a device.
type hsmMode struct {
	Spawn     int      // how many children; 0: none
	Addresses []string // of appliances
	PKCS11    string   // "pkcs11:" and what a device is called by; empty: none
}

// maxSpawn bounds how many children a server makes.
const maxSpawn = 64

func (m *hsmMode) embedded() bool { return m.Spawn == 0 && len(m.Addresses) == 0 && m.PKCS11 == "" }

// String is the mode as --hsm takes it.
func (m *hsmMode) String() string {
	switch {
	case m.Spawn == 1:
		return "spawn"
	case m.Spawn > 1:
		return "spawn:" + strconv.Itoa(m.Spawn)
	case len(m.Addresses) > 0:
		return strings.Join(m.Addresses, ",")
	case m.PKCS11 != "":
		return m.PKCS11
	}
	return "embedded"
}

// Type implements pflag.Value.
func (*hsmMode) Type() string { return "mode" }

// Set implements pflag.Value.
func (m *hsmMode) Set(text string) error {
	*m = hsmMode{}
	kind, rest, more := strings.Cut(text, ":")
	switch {
	case text == "embedded":
	case text == "spawn":
		m.Spawn = 1
	case kind == "spawn" && more:
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 || n > maxSpawn {
			return fmt.Errorf("%q: spawn:N takes 1 to %d", text, maxSpawn)
		}
		m.Spawn = n
	case strings.HasPrefix(text, pkcs11Prefix):
		m.PKCS11 = text
	default:
		return m.setAddresses(text)
	}
	return nil
}

func (m *hsmMode) setAddresses(text string) error {
	seen := map[string]bool{}
	for one := range strings.SplitSeq(text, ",") {
		address := one
		if !strings.HasPrefix(address, "unix:") {
			address = "tcp:" + strings.TrimPrefix(one, "tcp:")
		}
		if path, ok := strings.CutPrefix(address, "unix:"); ok {
			if path == "" {
				return fmt.Errorf("%q names no socket", one)
			}
		} else if _, _, err := net.SplitHostPort(address[len("tcp:"):]); err != nil {
			return fmt.Errorf("%q is none of embedded, spawn, spawn:N, pkcs11:…, unix:PATH and HOST:PORT", one)
		}
		if seen[address] {
			return fmt.Errorf("%q is given twice", one)
		}
		seen[address] = true
		m.Addresses = append(m.Addresses, address)
	}
	return nil
}

// UnmarshalYAML implements the config file's key.
func (m *hsmMode) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return errors.New("hsm is a text such as embedded, spawn:3 or 10.0.0.5:7443,10.0.0.6:7443")
	}
	return m.Set(text)
}
