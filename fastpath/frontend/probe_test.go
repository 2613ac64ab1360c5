package frontend_test

import (
	"crypto/fips140"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"trent/fastpath/frontend"
)

// oldHello is a ClientHello up to TLS 1.2 with one suite, what its use needs, and ways of compression (none: the null one).
func oldHello(version, suite uint16, compression ...byte) []byte {
	if len(compression) == 0 {
		compression = []byte{0}
	}
	extensions := []byte{
		0, 10, 0, 6, 0, 4, 0, 23, 0, 29, // groups: P-256, X25519
		0, 11, 0, 2, 1, 0, // points uncompressed
		0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1, // signatures: ECDSA P-256, RSA-PSS, PKCS #1, each with SHA-256
	}
	body := binary.BigEndian.AppendUint16(nil, version)
	body = append(body, make([]byte, 33)...) // random, no session
	body = binary.BigEndian.AppendUint16(append(body, 0, 2), suite)
	body = append(append(body, byte(len(compression))), compression...)
	body = binary.BigEndian.AppendUint16(body, uint16(len(extensions)))
	body = append(body, extensions...)
	message := append([]byte{1, 0, 0, byte(len(body))}, body...)
	return append([]byte{22, 3, 1, 0, byte(len(message))}, message...)
}

// TestProbe offers every suite number of the assigned ranges alone, by bytes of its own, and every version before 1.2.
func TestProbe(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{TLS: frontend.ServerTLS(newBothKinds(t))}, echo)
	meant := map[uint16]bool{0xc02b: true, 0xc02f: true, 0xc02c: true, 0xc030: true, 0xcca9: true, 0xcca8: true}
	if fips140.Enabled() { // ChaCha20-Poly1305 is not approved
		delete(meant, 0xcca8)
		delete(meant, 0xcca9)
	}
	accepts := func(hello []byte) bool {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		write(t, c, string(hello))
		var head [6]byte
		n, _ := io.ReadFull(c, head[:])
		return n == 6 && head[0] == 22 && head[5] == 2 // a ServerHello
	}
	for _, block := range []int{0x0000, 0x1300, 0xc000, 0xcc00, 0xd000} {
		for suite := block; suite < block+256; suite++ {
			if got := accepts(oldHello(0x0303, uint16(suite))); got != meant[uint16(suite)] {
				t.Errorf("suite %04x: accepted %v", suite, got)
			}
		}
	}
	for _, version := range []uint16{0x0300, 0x0301, 0x0302} {
		for suite := range meant {
			if accepts(oldHello(version, suite)) {
				t.Errorf("version %04x accepted with suite %04x", version, suite)
			}
		}
	}
}

// TestCompression: DEFLATE (RFC 3749) is left aside where it is offered beside none, and refused alone.
func TestCompression(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{TLS: frontend.ServerTLS(newBothKinds(t))}, echo)
	for _, c := range []struct {
		offered []byte
		fine    bool
	}{{[]byte{1, 0}, true}, {[]byte{0, 1, 64}, true}, {[]byte{1}, false}} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		write(t, conn, string(oldHello(0x0303, 0xc02b, c.offered...)))
		head := make([]byte, 5+4+2+32+1) // up to the length of the session's name
		if n, _ := io.ReadFull(conn, head); n < len(head) || head[0] != 22 {
			if c.fine {
				t.Errorf("% x: refused", c.offered)
			}
			continue
		}
		rest := make([]byte, int(head[len(head)-1])+2+1) // name, suite, compression
		if _, err := io.ReadFull(conn, rest); err != nil {
			t.Fatal(err)
		}
		if got := rest[len(rest)-1]; !c.fine || got != 0 {
			t.Errorf("% x: accepted with %d", c.offered, got)
		}
	}
}
