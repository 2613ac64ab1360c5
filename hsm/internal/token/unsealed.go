// # Device tokens
//
// A device token names a key that lies in a device and never leaves it: nothing in it is secret, and a MAC by a key of
// the device's own holds it together. Offsets 0 to 55 are those of tokens that enclose material.
//
//	offset  size  what
//	0       1     02, the version of this format
//	1       1     purpose
//	2       1     key spec
//	3       1     key usage
//	4       16    domain: identifier of the MAC key in the device
//	20      4     version of the MAC key: 1
//	24      32    identifier of the material, of an import token that of the wrapping key; zeros where there is none
//	56      12    random bytes
//	68      n     content: an identifier and a mark (DeviceObject, 17 bytes), of an import token its 10 bytes (hsm draws them)
//	68+n    32    HMAC-SHA256(MAC key, DeviceLabel ‖ offsets 0 to 67+n ‖ identity)
//
// The purpose gives n, so that no two inputs of the MAC are the same bytes. The identity is not in the token.
package token

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	deviceVersion = 2
	saltSize      = 12
	contentAt     = 56 + saltSize
	DeviceMACSize = 32
	importContent = 10

	// ObjectSize is the length of an object's identifier in bytes.
	ObjectSize = 16
	// DeviceKeySize is the length of every device token but an import token.
	DeviceKeySize = contentAt + ObjectSize + 1 + DeviceMACSize
	// DeviceImportSize is that of an import token, the same as of one that is sealed.
	DeviceImportSize = contentAt + importContent + DeviceMACSize
	// DeviceKeyVersion is the only version of a device's MAC key.
	DeviceKeyVersion = 1
	// DeviceLabel separates the MACs of tokens from what else is made by that key.
	DeviceLabel = "trent device token"
)

// DeviceObject is the content of a device token that names a key.
type DeviceObject struct {
	ID       [ObjectSize]byte // of the object, or the first part of the identifiers of several
	Imported bool             // the material came from outside
}

// Append writes an object's 17 bytes: the identifier, then 01 where the material was imported, else 00.
func (o *DeviceObject) Append(dst []byte) []byte {
	imported := byte(0)
	if o.Imported {
		imported = 1
	}
	return append(append(dst, o.ID[:]...), imported)
}

// Device is a parsed device token; its slices are views.
type Device struct {
	Header
	Content []byte
	Signed  []byte // what the MAC covers, the identity apart
	MAC     []byte
}

// ParseDevice reads a device token. Nothing is authenticated. The error is ErrInvalid.
func ParseDevice(token []byte) (Device, error) {
	if len(token) < contentAt || token[0] != deviceVersion || !Purpose(token[1]).Valid() || Purpose(token[1]) == Session {
		return Device{}, ErrInvalid
	}
	if len(token) != deviceSize(Purpose(token[1])) {
		return Device{}, ErrInvalid
	}
	macAt := len(token) - DeviceMACSize
	return Device{
		Header: Header{
			Purpose:  Purpose(token[1]),
			Spec:     token[2],
			Usage:    token[3],
			Domain:   [DomainSize]byte(token[4:20]),
			Version:  binary.BigEndian.Uint32(token[20:24]),
			Material: [MaterialIDSize]byte(token[24:56]),
		},
		Content: token[contentAt:macAt:macAt], Signed: token[:macAt:macAt], MAC: token[macAt:],
	}, nil
}

// Object reads the content of a token that names a key. The error is ErrInvalid.
func (d *Device) Object() (o DeviceObject, err error) {
	if len(d.Content) != ObjectSize+1 || d.Content[ObjectSize] > 1 {
		return o, ErrInvalid
	}
	copy(o.ID[:], d.Content)
	o.Imported = d.Content[ObjectSize] == 1
	return o, nil
}

// AppendDevice makes a device token of header and content for an identity and appends it to dst; mac is the device's
// HMAC-SHA256. Errors: ErrInvalid for what no token can have, mac's and random's.
func AppendDevice(dst []byte, h *Header, content, identity []byte, random io.Reader, mac func([]byte) ([]byte, error)) ([]byte, error) {
	if !h.Purpose.Valid() || h.Purpose == Session || len(identity) > MaxIdentity || contentAt+len(content)+DeviceMACSize != deviceSize(h.Purpose) {
		return dst, ErrInvalid
	}
	out := append(dst, deviceVersion, byte(h.Purpose), h.Spec, h.Usage)
	out = append(out, h.Domain[:]...)
	out = binary.BigEndian.AppendUint32(out, h.Version)
	out = append(out, h.Material[:]...)
	var salt [saltSize]byte
	if _, err := io.ReadFull(random, salt[:]); err != nil {
		return dst, fmt.Errorf("drawing a token's random bytes: %w", err)
	}
	out = append(append(out, salt[:]...), content...)
	tag, err := mac(DeviceMACInput(out[len(dst):], identity))
	if err != nil {
		return dst, err
	}
	if len(tag) != DeviceMACSize {
		return dst, ErrInvalid
	}
	return append(out, tag...), nil
}

// DeviceMACInput is what the MAC of a token is made of.
func DeviceMACInput(signed, identity []byte) []byte {
	return append(append([]byte(DeviceLabel), signed...), identity...)
}

func deviceSize(p Purpose) int {
	if p == Import {
		return DeviceImportSize
	}
	return DeviceKeySize
}
