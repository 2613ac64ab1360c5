package soak_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/schedule"
	"trent/loadgen/soak"
	"trent/loadgen/spawn"
	"trent/loadgen/workload"
	"trent/results"
)

// TestMain lets the test binary be the server that a soak starts, and a soak that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "serve":
			serve(os.Args[2:])
		case "soak":
			r, err := short(context.Background(), os.Args[2], false)
			fmt.Fprintln(os.Stderr, r != nil, err)
			os.Exit(1) // it was to be killed
		}
	}
	os.Exit(m.Run())
}

// serve is a key service that keeps to the contract of spawn.Options: its keys and aliases are files, its ciphertexts hold what they
// are of.
func serve(args []string) {
	flags := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		flags[args[i]] = args[i+1]
	}
	dir := flags["--data-dir"]
	var good atomic.Uint64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprintf(w, "# TYPE trent_requests_total counter\ntrent_requests_total{operation=\"all\",result=\"ok\"} %d\ngo_goroutines 5\n", good.Load())
			return
		}
		answer, ok := handle(dir, strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService."), r)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if !ok {
			w.WriteHeader(400)
		} else {
			good.Add(1)
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	listener, err := listen(flags["--listen"])
	if err == nil {
		s.Listener.Close()
		s.Listener = listener
		err = os.MkdirAll(dir, 0o700)
	}
	s.StartTLS()
	plain := httptest.NewServer(s.Config.Handler)
	ca := filepath.Join(filepath.Dir(flags["--ready-file"]), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	ready, marshalErr := json.Marshal(map[string]any{"endpoint": s.URL, "ca": ca, "metrics": plain.URL})
	err = errors.Join(err, marshalErr, os.WriteFile(ca, certificate, 0o600), os.WriteFile(flags["--ready-file"]+".new", ready, 0o600),
		os.Rename(flags["--ready-file"]+".new", flags["--ready-file"]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	os.Exit(0)
}

func handle(dir, operation string, r *http.Request) (answer map[string]any, ok bool) {
	var in struct {
		KeyId, Description, Plaintext, CiphertextBlob, AliasName, TargetKeyId string
		EncryptionContext                                                     map[string]string
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		return map[string]any{"__type": "SerializationException"}, false
	}
	if date, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date")); err != nil || time.Since(date).Abs() > 5*time.Minute {
		return map[string]any{"__type": "InvalidSignatureException"}, false
	}
	refuse := func(name string) (map[string]any, bool) { return map[string]any{"__type": name}, false }
	switch operation {
	case "CreateKey":
		id := strconv.FormatInt(time.Now().UnixNano(), 36) + strconv.Itoa(os.Getpid())
		if whole(filepath.Join(dir, "key-"+id), in.Description) != nil {
			return refuse("KMSInternalException")
		}
		return map[string]any{"KeyMetadata": map[string]string{"KeyId": id}}, true
	case "CreateAlias":
		if whole(filepath.Join(dir, strings.ReplaceAll(in.AliasName, "/", "%")), in.TargetKeyId) != nil {
			return refuse("KMSInternalException")
		}
		return map[string]any{}, true
	case "DescribeKey":
		text, err := os.ReadFile(filepath.Join(dir, "key-"+in.KeyId))
		if err != nil {
			return refuse("NotFoundException")
		}
		return map[string]any{"KeyMetadata": map[string]string{"KeyId": in.KeyId, "Description": string(text)}}, true
	case "ListKeys", "ListAliases":
		var keys, aliases []map[string]string
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if id, isKey := strings.CutPrefix(e.Name(), "key-"); isKey {
				keys = append(keys, map[string]string{"KeyId": id})
			} else {
				target, _ := os.ReadFile(filepath.Join(dir, e.Name()))
				aliases = append(aliases, map[string]string{"AliasName": strings.ReplaceAll(e.Name(), "%", "/"), "TargetKeyId": string(target)})
			}
		}
		return map[string]any{"Keys": keys, "Aliases": aliases}, true
	case "Encrypt":
		return map[string]any{"CiphertextBlob": base64.StdEncoding.EncodeToString([]byte(in.KeyId + "|" + in.Plaintext))}, true
	case "Decrypt":
		data, _ := base64.StdEncoding.DecodeString(in.CiphertextBlob)
		id, plain, _ := strings.Cut(string(data), "|")
		if _, err := os.Stat(filepath.Join(dir, "key-"+id)); err != nil {
			return refuse("NotFoundException")
		}
		return map[string]any{"Plaintext": plain, "KeyId": id}, true
	}
	return map[string]any{}, true
}

// whole writes a file that is there with all of its text, or not at all: its writer may be killed.
func whole(path, text string) error {
	part := filepath.Join(filepath.Dir(filepath.Dir(path)), filepath.Base(path)+".part")
	if err := os.WriteFile(part, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// short is a soak of a few seconds against the test's own server.
func short(ctx context.Context, dir string, resume bool) (*results.Record, error) {
	w, err := workload.Parse("small.yaml", []byte("name: small\nkeys: [{name: k, count: 3}]\nmix: [{operation: Encrypt, weight: 9}, {operation: Decrypt}]\n"))
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	const length = 3 * time.Second
	o := soak.Options{Dir: dir, Resume: resume, Workload: w, Schedule: schedule.Constant(100, length), Limits: soak.LimitsOf(), Connections: 4, Timeout: 2 * time.Second,
		Seed: 3, Samples: 100, TapEvery: 2, After: 300 * time.Millisecond, CheckRate: 50, Trickle: 50 * time.Millisecond, Save: 100 * time.Millisecond,
		Warm: time.Millisecond, Horizon: length, Budgets: soak.DefaultBudgets(), Command: []string{"trent", "soak"},
		Plan: soak.Plan{Name: "short", Actions: []soak.Action{{Kind: soak.Rotate, At: []time.Duration{300 * time.Millisecond}},
			{Kind: soak.Kill, At: []time.Duration{2 * time.Second}, For: 100 * time.Millisecond, Allow: 500 * time.Millisecond}}}}
	return soak.Run(ctx, o, soak.Place{Engine: "native", Spawn: &spawn.Options{Program: program, Region: "us-east-1",
		Credentials: engine.Credentials{AccessKeyID: "test", Secret: "test"}}})
}

// kill -9 of the soak itself in the middle: what it had is there, it goes on to the end, and the books balance.
func TestKilledSoakGoesOn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "soak")
	child := exec.Command(os.Args[0], "soak", dir)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for position(dir) < 800*time.Millisecond {
		if time.Now().After(deadline) {
			_ = child.Process.Kill()
			t.Fatal("no checkpoint")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	if _, finished, err := soak.Saved(dir); err != nil || finished {
		t.Fatalf("finished %v, error %v", finished, err)
	}
	r, err := short(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Soak
	if len(s.Legs) != 2 || s.Legs[0].Ended != "killed" || s.Legs[1].From < 500*time.Millisecond || s.Legs[1].Ended != "completed" {
		t.Errorf("legs %+v", s.Legs)
	}
	for _, name := range []string{"nothing is lost", "both sides count alike", "the server bore what was done to it", "every sample was checked"} {
		if c := condition(t, r, name); c.Outcome != "pass" {
			t.Errorf("%+v; counts %+v, samples %+v, losses %+v", c, s.Counts, s.Samples, s.Losses)
		}
	}
	if keys := s.Writes[0]; keys.Acknowledged < 10 || keys.Found < keys.Acknowledged || keys.Found > keys.Acknowledged+keys.Ambiguous {
		t.Errorf("keys %+v", keys)
	}
	// The whole schedule is measured once, but for what was under way at the checkpoint.
	if due := r.Engine.Due + s.Legs[0].Unmeasured; due < 270 || due > 330 {
		t.Errorf("due %d of 300, unmeasured %d", r.Engine.Due, s.Legs[0].Unmeasured)
	}
	if k := s.Samples; k.Kept < 30 || k.Later != k.Kept || k.AfterRestart != k.Kept || k.AfterRotation != k.Kept {
		t.Errorf("samples %+v", s.Samples)
	}
}

// position is where the load of a checkpoint stands.
func position(dir string) time.Duration {
	data, err := os.ReadFile(filepath.Join(dir, "soak.json"))
	if err != nil {
		return 0
	}
	var state struct {
		Position time.Duration `json:"position_ns"`
	}
	if json.Unmarshal(data, &state) != nil {
		return 0
	}
	return state.Position
}
