package frontend_test

import (
	"context"
	"crypto/fips140"
	"os/exec"
	"strings"
	"testing"
	"time"

	"trent/fastpath/frontend"
)

// TestProbeByOpenSSL lets another implementation offer what is classical: only what is meant connects, without
// compression, with the extended master secret (RFC 7627), and does not negotiate again.
func TestProbeByOpenSSL(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl")
	}
	if version, err := exec.CommandContext(t.Context(), program, "version").Output(); err != nil || !strings.HasPrefix(string(version), "OpenSSL 3") {
		t.Skipf("openssl is not OpenSSL 3: %s, %v", version, err)
	}
	_, address := start(t, frontend.Options{TLS: frontend.ServerTLS(newBothKinds(t))}, echo)
	chacha := !fips140.Enabled()
	for name, c := range map[string]struct {
		arguments string
		accepted  bool
	}{
		"TLS 1.0":                {"-tls1 -cipher ALL:@SECLEVEL=0", false},
		"TLS 1.1":                {"-tls1_1 -cipher ALL:@SECLEVEL=0", false},
		"TLS 1.2":                {"-tls1_2", true},
		"RSA key exchange":       {"-tls1_2 -cipher kRSA:@SECLEVEL=0", false},
		"DHE":                    {"-tls1_2 -cipher kDHE:@SECLEVEL=0", false},
		"CBC":                    {"-tls1_2 -cipher ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0", false},
		"nothing encrypted":      {"-tls1_2 -cipher eNULL:@SECLEVEL=0", false},
		"nobody authenticated":   {"-tls1_2 -cipher aNULL:@SECLEVEL=0", false},
		"CCM":                    {"-tls1_2 -cipher AESCCM:@SECLEVEL=0", false},
		"ARIA, Camellia":         {"-tls1_2 -cipher ARIA:CAMELLIA:@SECLEVEL=0", false},
		"ECDSA, AES-128-GCM":     {"-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", true},
		"RSA, AES-256-GCM":       {"-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384", true},
		"1.2, ChaCha20":          {"-tls1_2 -cipher ECDHE-RSA-CHACHA20-POLY1305", chacha},
		"1.3, AES-128-GCM":       {"-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256", true},
		"1.3, AES-256-GCM":       {"-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384", true},
		"1.3, ChaCha20":          {"-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256", chacha},
		"1.3, CCM":               {"-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256", false},
		"1.3, P-384":             {"-tls1_3 -groups P-384", true},
		"1.3, X448":              {"-tls1_3 -groups X448", false},
		"1.3, finite field":      {"-tls1_3 -groups ffdhe2048:ffdhe3072", false},
		"1.2, compression asked": {"-tls1_2 -comp", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := openssl(t, program, address, "Q\n", c.arguments)
			accepted := strings.Contains(said, "Cipher is ") && !strings.Contains(said, "Cipher is (NONE)")
			if accepted != c.accepted {
				t.Errorf("accepted %v\n%s", accepted, said)
			}
			if !accepted {
				return
			}
			if strings.Count(said, "Compression: ") != strings.Count(said, "Compression: NONE") { // builds without it say nothing
				t.Errorf("compressed\n%s", said)
			}
			if strings.Contains(c.arguments, "-tls1_2") && !strings.Contains(said, "Extended master secret: yes") {
				t.Errorf("no extended master secret\n%s", said)
			}
		})
	}
	t.Run("renegotiation", func(t *testing.T) {
		t.Parallel()
		if said := openssl(t, program, address, "R\nQ\n", "-tls1_2"); !strings.Contains(said, "SSL alert number 10") && !strings.Contains(said, "SSL alert number 100") {
			t.Errorf("it was not refused\n%s", said)
		}
	})
	for _, protocol := range []string{"http/1.1,h2", "h2,http/1.1"} {
		t.Run("ALPN "+protocol, func(t *testing.T) {
			t.Parallel()
			if said := openssl(t, program, address, "Q\n", "-alpn "+protocol); !strings.Contains(said, "ALPN protocol: http/1.1") {
				t.Errorf("another protocol\n%s", said)
			}
		})
	}
}

// openssl is what s_client says of a connection.
func openssl(t *testing.T, program, address, commands, arguments string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, program, append([]string{"s_client", "-connect", address, "-servername", "localhost"}, strings.Fields(arguments)...)...)
	c.Stdin = strings.NewReader(commands)
	said, _ := c.CombinedOutput() // it fails where the handshake does
	return string(said)
}
