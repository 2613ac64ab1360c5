package engine_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"trent/loadgen/engine"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The application data of the client in RFC 8448, section 3 ("Simple 1-RTT Handshake").
func TestRecordOfRFC8448(t *testing.T) {
	t.Parallel()
	client := unhex(t, "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
	server := unhex(t, "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
	sender, err := engine.NewRecords(client, server)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 50)
	for i := range payload {
		payload[i] = byte(i)
	}
	if _, err := sender.Write(payload); err != nil {
		t.Fatal(err)
	}
	want := unhex(t, "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4")
	if !bytes.Equal(sender.Sent(), want) {
		t.Errorf("record %x, want %x", sender.Sent(), want)
	}
}

func recordPair(t testing.TB) (a, b *engine.Records) {
	t.Helper()
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	a, err := engine.NewRecords(one, two)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = engine.NewRecords(two, one); err != nil {
		t.Fatal(err)
	}
	engine.ConnectRecords(a, b)
	return a, b
}

func expect(t *testing.T, r *engine.Records, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

// Data of any length, in both directions, over changes of the keys that one side asks for, with padding and tickets among it.
func TestRecords(t *testing.T) {
	t.Parallel()
	a, b := recordPair(t)
	for round := range 5 {
		for _, size := range []int{1, 100, 16384, 16385, 70_000} {
			text := bytes.Repeat([]byte{byte(round), byte(size)}, size)
			if _, err := a.Write(text); err != nil {
				t.Fatal(err)
			}
			expect(t, b, text)
			if _, err := b.Write(text); err != nil {
				t.Fatal(err)
			}
			expect(t, a, text)
		}
		if err := errors.Join(a.UpdateKey(), b.SendRaw([]byte{4, 0, 0, 1, 9}, 22), b.SendRaw([]byte{'x', 23, 0, 0, 0}, 0)); err != nil {
			t.Fatal(err)
		}
		expect(t, a, []byte("x"))
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, engine.ErrNothing) {
			t.Fatalf("after an update: %v", err)
		}
	}
	if err := b.SendRaw([]byte{1, 0}, 21); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := a.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after close_notify: %v", err)
		}
	}
}

// What is no record, or was changed on its way, ends the connection with an error, for good.
func TestBadRecords(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(record []byte) []byte{
		"changed":  func(r []byte) []byte { r[10] ^= 1; return r },
		"replayed": func(r []byte) []byte { return append(bytes.Clone(r), r...) },
		"too long": func(r []byte) []byte { r[3], r[4] = 0xff, 0xff; return r },
		"short":    func([]byte) []byte { return []byte{23, 3, 3, 0, 2, 1, 1} },
		"alert":    func([]byte) []byte { return []byte{21, 3, 3, 0, 2, 2, 40} },
		"HTTP":     func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") },
	} {
		a, b := recordPair(t)
		other, _ := recordPair(t)
		if _, err := other.Write([]byte("text")); err != nil {
			t.Fatal(err)
		}
		_ = a
		b.Deliver(change(other.Sent()))
		_, err := io.ReadAll(b)
		if err == nil || errors.Is(err, engine.ErrNothing) {
			t.Errorf("%s: %v", name, err)
		}
		if _, again := b.Read(make([]byte, 1)); again != err {
			t.Errorf("%s: %v, then %v", name, err, again)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte{23, 3, 3, 0, 2, 1, 1})
	f.Add([]byte{20, 3, 3, 0, 1, 1, 21, 3, 3, 0, 2, 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, b := recordPair(t)
		b.Deliver(data)
		if n, _ := io.Copy(io.Discard, b); n > 0 {
			t.Fatalf("%d bytes out of nowhere", n)
		}
	})
}
