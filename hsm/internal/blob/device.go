// # Blobs of devices
//
// A device seals by AES-256-GCM under one of its own keys, which it cannot derive others from. Its blobs have the sizes
// of the others and differ in their first bytes and in what stands at offset 38:
//
//	offset  size  what
//	0       5     01 02 03 00 78
//	5       32    identifier of the material
//	37      1     01
//	38      4     which of the material's keys in the device: 0 is the first
//	42      12    random bytes
//	54      4     n, the length of the rest
//	58      n     DER ContentInfo, as of other blobs
//
// The nonce in the DER is the device's.
package blob

import "encoding/binary"

// deviceMagic opens every blob of a device.
var deviceMagic = [5]byte{0x01, 0x02, 0x03, 0x00, 0x78}

// SaltSize is how many random bytes a device's blob has in its header.
const SaltSize = 12

// DeviceBlob is a parsed blob of a device's.
type DeviceBlob struct {
	Blob
	Generation uint32
}

// AppendDeviceHeader appends offsets 0 to 57 to dst; salt has SaltSize bytes.
func (l *Layout) AppendDeviceHeader(dst []byte, material *[MaterialSize]byte, generation uint32, salt []byte) []byte {
	dst = append(dst, deviceMagic[:]...)
	dst = append(dst, material[:]...)
	dst = append(dst, 0x01)
	dst = binary.BigEndian.AppendUint32(dst, generation)
	dst = append(dst, salt[:SaltSize]...)
	return binary.BigEndian.AppendUint32(dst, uint32(l.total()))
}

// ParseDevice reads a blob of a device's; false: anything at all is wrong with it.
func ParseDevice(b []byte) (DeviceBlob, bool) {
	parsed, ok := parse(b, &deviceMagic)
	if !ok {
		return DeviceBlob{}, false
	}
	return DeviceBlob{Blob: parsed, Generation: binary.BigEndian.Uint32(parsed.Derivation)}, true
}
