package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"trent/fastpath/model"
)

// TestCommittedOutput regenerates everything and compares byte for byte.
func TestCommittedOutput(t *testing.T) {
	t.Parallel()
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what is generated: run go generate ./fastpath/wire", name)
		}
	}
	committed, err := filepath.Glob("../*_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range committed {
		if _, ok := files[filepath.Base(path)]; !ok {
			t.Errorf("%s is not generated any more", path)
		}
	}
}

// TestPatterns compares every automaton with the regular expression that it came from, on strings near and far
// from matching.
func TestPatterns(t *testing.T) {
	t.Parallel()
	samples := []string{
		"", "a", "A", "0", "_", " ", "\t", "\n", "\r", "\x00", "\x1f", "\x7f", "é", "ÿ", "\u0080", "a b", "alias/x", "alias/aws/s3", "default", "a-b-1", "us-east-1",
		"us-gov-west-1", "us-1", "us-east-", "a-b-c-d-1", "us-east-12", "eu-", "cluster-abcdefg2345", "cluster-abcdefg234", "cluster-abcdefghijk234567", "Cluster-abcdefg2345",
		"https://example.com", "https://", "http://example.com", "https://a/b", "/kms/xks/v1", "/kms/xks/v12", "/kms/xks/v123", "/p/kms/xks/v1", "/p/q-_/kms/xks/v12", "//kms/xks/v1", "kms/xks/v1", "/p/kms/xks/v",
		"com.amazonaws.vpce.us-east-1.vpce-svc-0123abc", "eu.amazonaws.vpce.eusc-de-east-1.vpce-svc-0", "org.amazonaws.vpce.us-east-1.vpce-svc-0", "comXamazonaws.vpce.us-east-1.vpce-svc-0",
		"123456789012", "12345678901", "1234567890123", "ABCDEFGHIJKLMNOPQRST", "ABC1", "abcdef0123456789", "abcdefg", "a+b/c==", "a=b", "arn:aws:iam::000000000000:root", "x@y,z", "{\n\t\"a\": \"é\"\r\n}",
	}
	seen := 0
	for _, s := range model.Shapes() {
		if s.Pattern == "" || s.Pattern == asciiPattern {
			continue
		}
		seen++
		a, err := compile(s.Pattern)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile(`\A(?:` + regexp.MustCompile(`\\u([0-9A-F]{4})`).ReplaceAllString(s.Pattern, `\x{$1}`) + `)\z`)
		matched := 0
		for _, text := range mutations(samples) {
			got, want := a.run(text), re.MatchString(text)
			if got != want {
				t.Errorf("%s on %q: got %v", s.Pattern, text, got)
			}
			if want {
				matched++
			}
		}
		if matched == 0 {
			t.Errorf("no sample matches %s", s.Pattern)
		}
	}
	if seen == 0 {
		t.Error("the model has no patterns")
	}
}

// mutations adds to each sample what one insertion, deletion or repetition makes of it.
func mutations(samples []string) []string {
	out := samples
	for _, s := range samples {
		for i := 0; i <= len(s); i++ {
			for _, c := range []string{"-", "/", ".", "Z", "7", "\x19", "ÿ"} {
				out = append(out, s[:i]+c+s[i:])
			}
			if i < len(s) {
				out = append(out, s[:i]+s[i+1:])
			}
		}
		out = append(out, s+s, strings.ToUpper(s))
	}
	return out
}

// run walks the automaton over the code points of s.
func (a *automaton) run(s string) bool {
	state := uint8(1)
	for _, r := range s {
		if r >= latin {
			return false
		}
		state = a.next[state][a.classOf[r]]
	}
	return state != 0 && a.final&(1<<state) != 0
}

// TestUnknownPatternForms must not be generated silently.
func TestUnknownPatternForms(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{`a.b`, `^\bfoo$`, `[^a]`, `\p{L}+`, `(?=a)`, `a(`, `[\u0100]`, `\u00`} {
		if _, err := compile(pattern); err == nil {
			t.Errorf("%s compiled", pattern)
		}
	}
}

func TestConstantName(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"RSASSA_PKCS1_V1_5_SHA_256": "RsassaPkcs1V15Sha256", "ECC_SECG_P256K1": "EccSecgP256k1", "AWS": "Aws", "ML_DSA_44": "MlDsa44",
		"PendingDeletion": "PendingDeletion", "GenerateDataKeyPairWithoutPlaintext": "GenerateDataKeyPairWithoutPlaintext",
	} {
		if got := constantName(value); got != want {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}
