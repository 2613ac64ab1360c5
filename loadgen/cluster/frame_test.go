package cluster_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"trent/loadgen/cluster"
)

func frameOf(t testing.TB, m *cluster.Message) []byte {
	t.Helper()
	frame, err := cluster.AppendFrame(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func raw(head, body string) []byte {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(head)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(body)))
	return append(append(frame, head...), body...)
}

func TestFrames(t *testing.T) {
	t.Parallel()
	messages := []*cluster.Message{{Kind: cluster.KindStop}, {Kind: cluster.KindPing, Ping: &cluster.Ping{Number: 3}},
		{Kind: cluster.KindJob, Job: &cluster.Job{Agents: 2, Schedule: "1/s 1s"}, Body: []byte("keys")}, {Kind: cluster.KindFailure, Failure: "no"}}
	var wire []byte
	for _, m := range messages {
		wire = append(wire, frameOf(t, m)...)
	}
	in := bytes.NewReader(wire)
	for _, want := range messages {
		got, err := cluster.ReadFrame(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := cluster.ReadFrame(in); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for n := 1; n < len(frameOf(t, messages[2])); n++ {
		if _, err := cluster.ReadFrame(bytes.NewReader(frameOf(t, messages[2])[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}

func TestBadFrames(t *testing.T) {
	t.Parallel()
	huge := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 10), 1<<31)
	for want, frame := range map[string][]byte{
		"above the limits":                  huge,
		"ends after 3":                      append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 10), cluster.MaxBody), "abc"...),
		`unknown field "sudo"`:              raw(`{"kind":"stop","sudo":true}`, ""),
		"more than one value":               raw(`{"kind":"stop"}{}`, ""),
		`"hello" without its content`:       raw(`{"kind":"hello"}`, ""),
		`"" without its content`:            raw(`{}`, ""),
		`"dance" without its content`:       raw(`{"kind":"dance"}`, ""),
		`with content of kind "ping"`:       raw(`{"kind":"stop","ping":{"number":1}}`, ""),
		`"stop" with a body`:                raw(`{"kind":"stop"}`, "x"),
		"the head of a message: unexpected": raw(`{`, ""),
	} {
		if _, err := cluster.ReadFrame(bytes.NewReader(frame)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", frame, err, want)
		}
	}
}

// What reads as a frame writes as one that reads the same, and nothing makes the reader fall over.
func FuzzReadFrame(f *testing.F) {
	f.Add(frameOf(f, &cluster.Message{Kind: cluster.KindHello, Hello: &cluster.Hello{Tool: "trent", Host: "h", PID: 1, CPUs: 2}}))
	f.Add(frameOf(f, &cluster.Message{Kind: cluster.KindResult, Result: &cluster.Result{Due: 3}, Body: []byte{1, 2, 3}}))
	f.Add(frameOf(f, &cluster.Message{Kind: cluster.KindJob, Job: &cluster.Job{Credentials: &cluster.Credentials{AccessKeyID: "a"}}, Body: []byte("{}")}))
	f.Add(raw(`{"kind":"stop","ping":null}`, ""))
	f.Add([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := cluster.ReadFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := cluster.ReadFrame(bytes.NewReader(frameOf(t, m)))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
	})
}
