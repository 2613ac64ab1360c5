package blob_test

import (
	"bytes"
	"encoding/asn1"
	"testing"

	"pgregory.net/rapid"

	"trent/hsm/internal/blob"
)

// build makes a blob with recognisable parts; nothing in it is sealed.
func build(p int) []byte {
	material := [blob.MaterialSize]byte(bytes.Repeat([]byte{0xaa}, blob.MaterialSize))
	nonce := [blob.NonceSize]byte(bytes.Repeat([]byte{0xcc}, blob.NonceSize))
	l := blob.Measure(p)
	out := l.AppendHeader(nil, &material, bytes.Repeat([]byte{0xbb}, blob.DerivationSize))
	out = l.AppendDER(out, &nonce)
	return append(out, bytes.Repeat([]byte{0xdd}, l.Size()-len(out))...)
}

func TestSizesOfTheService(t *testing.T) {
	t.Parallel()
	for p, want := range map[int]int{16: 168, 32: 184, 4096: 4258} {
		if got := blob.Size(p); got != want {
			t.Errorf("Size(%d) = %d, want %d", p, got, want)
		}
	}
}

// contentInfo is the structure as encoding/asn1 sees it, the independent reader.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content struct {
		Version int
		Info    struct {
			Type      asn1.ObjectIdentifier
			Algorithm struct {
				Type       asn1.ObjectIdentifier
				Parameters struct {
					Nonce []byte
					Tag   int
				}
			}
			Sealed []byte `asn1:"tag:0"`
		}
	} `asn1:"explicit,tag:0"`
}

func TestEverySizeParses(t *testing.T) {
	t.Parallel()
	for p := 0; p <= blob.MaxPlaintext; p++ {
		b := build(p)
		if len(b) != blob.Size(p) {
			t.Fatalf("%d bytes make %d, Size says %d", p, len(b), blob.Size(p))
		}
		got, ok := blob.Parse(b)
		if !ok {
			t.Fatalf("the blob of %d bytes does not parse", p)
		}
		if got.Plaintext() != p || len(got.Header) != blob.HeaderSize || got.Material[31] != 0xaa || got.Derivation[15] != 0xbb ||
			got.Nonce[11] != 0xcc || !bytes.Equal(got.Sealed, bytes.Repeat([]byte{0xdd}, p+27)) {
			t.Fatalf("the blob of %d bytes parses as %x", p, got)
		}
		if p%97 != 0 && p > 300 {
			continue // the slow reader sees all short ones and some of the rest
		}
		var info contentInfo
		rest, err := asn1.Unmarshal(b[blob.HeaderSize:], &info)
		if err != nil || len(rest) != 0 {
			t.Fatalf("%d bytes: encoding/asn1: %v, %d bytes left", p, err, len(rest))
		}
		if info.Type.String() != "1.2.840.113549.1.7.6" || info.Content.Info.Type.String() != "1.2.840.113549.1.7.1" ||
			info.Content.Info.Algorithm.Type.String() != "2.16.840.1.101.3.4.1.46" ||
			info.Content.Info.Algorithm.Parameters.Tag != 16 || !bytes.Equal(info.Content.Info.Sealed, got.Sealed) {
			t.Fatalf("%d bytes: encoding/asn1 sees %+v", p, info)
		}
	}
	if _, ok := blob.Parse(build(blob.MaxPlaintext + 1)); ok {
		t.Error("a blob over the limit parses")
	}
}

// TestNoBytesAreFree flips every bit of everything that is neither nonce, identifier nor sealed, and cuts and
// pads at every place.
func TestNoBytesAreFree(t *testing.T) {
	t.Parallel()
	for _, p := range []int{0, 1, 32, 100, 101, 102, 103, 200, 229, 230, 300} {
		whole := build(p)
		for i := range whole {
			if c := whole[i]; c == 0xaa || c == 0xbb || c == 0xcc || c == 0xdd {
				continue
			}
			for bit := range 8 {
				b := bytes.Clone(whole)
				b[i] ^= 1 << bit
				if _, ok := blob.Parse(b); ok {
					t.Fatalf("%d bytes: bit %d of byte %d makes no difference", p, bit, i)
				}
			}
		}
		for i := range whole {
			if _, ok := blob.Parse(whole[:i]); ok {
				t.Fatalf("%d bytes: a blob cut to %d parses", p, i)
			}
		}
		if _, ok := blob.Parse(append(whole, 0)); ok {
			t.Fatalf("%d bytes: a trailing byte parses", p)
		}
	}
}

func TestContentHeader(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plaintext := rapid.SliceOfN(rapid.Byte(), 0, blob.MaxPlaintext).Draw(t, "plaintext")
		content := append(blob.AppendContentHeader(nil, len(plaintext)), plaintext...)
		got, ok := blob.PlaintextOf(content)
		if !ok || !bytes.Equal(got, plaintext) {
			t.Fatalf("got %x, %v", got, ok)
		}
		content[rapid.IntRange(0, blob.ContentHeader-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, ok := blob.PlaintextOf(content); ok {
			t.Fatal("an altered content header is accepted")
		}
	})
	for n := range blob.ContentHeader {
		if _, ok := blob.PlaintextOf(make([]byte, n)); ok {
			t.Errorf("%d bytes of content are accepted", n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range []int{0, 1, 16, 32, 100, 228, 4096} {
		f.Add(build(p))
	}
	f.Add([]byte(nil))
	f.Add(build(32)[:60])
	f.Add(bytes.Repeat([]byte{0x30, 0x84}, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := blob.Parse(b)
		if !ok {
			return
		}
		// What parses is written again byte by byte.
		l := blob.Measure(got.Plaintext())
		out := l.AppendHeader(nil, (*[blob.MaterialSize]byte)(got.Material), got.Derivation)
		out = l.AppendDER(out, (*[blob.NonceSize]byte)(got.Nonce))
		if out = append(out, got.Sealed...); !bytes.Equal(out, b) {
			t.Fatalf("%x parses and is written as %x", b, out)
		}
	})
}
