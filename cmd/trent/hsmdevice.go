package main

import "strings"

// openDevice makes the module of a PKCS #11 device.
func openDevice(e *environment, s *settings) (*hsmBackend, error) {
	m, err := openPKCS11(e, s, strings.TrimPrefix(s.HSM.PKCS11, pkcs11Prefix))
	if err != nil {
		return nil, err
	}
	return &hsmBackend{module: m, where: "a device behind PKCS #11"}, nil
}
