package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"trent/fastpath/identity"
)

func TestDirectoryFindsOnlyWhatItHolds(t *testing.T) {
	t.Parallel()
	d, err := identity.NewDirectory([]identity.Credential{
		identity.BuiltIn(identity.DefaultAccount),
		{AccessKeyID: "AKIAOTHER", Secret: identity.Secret("s3"), Principal: identity.Root("aws-cn", "111122223333")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !d.HasBuiltIn() || len(d.All()) != 2 {
		t.Fatalf("built-in %v, %d credentials", d.HasBuiltIn(), len(d.All()))
	}
	got := d.Lookup([]byte("AKIAOTHER"))
	if got == nil || got.Principal.ARN != "arn:aws-cn:iam::111122223333:root" || got.BuiltIn {
		t.Fatalf("got %+v", got)
	}
	for _, unknown := range []string{"", "akiaother", "AKIAOTHE", "test2"} {
		if c := d.Lookup([]byte(unknown)); c != nil {
			t.Errorf("%q found %q", unknown, c.AccessKeyID)
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	d, err := identity.NewDirectory([]identity.Credential{identity.BuiltIn(identity.DefaultAccount)})
	if err != nil {
		t.Fatal(err)
	}
	id := []byte(identity.BuiltInAccessKeyID)
	if n := testing.AllocsPerRun(100, func() { d.Lookup(id) }); n != 0 {
		t.Errorf("a look-up allocates %v times", n)
	}
}

func TestNewDirectoryRefuses(t *testing.T) {
	t.Parallel()
	ok := identity.Credential{AccessKeyID: "A", Secret: identity.Secret("hidden-value"), Principal: identity.Root("aws", "111122223333")}
	for name, edit := range map[string]func(*identity.Credential){
		"empty id":        func(c *identity.Credential) { c.AccessKeyID = "" },
		"slash in id":     func(c *identity.Credential) { c.AccessKeyID = "a/b" },
		"empty secret":    func(c *identity.Credential) { c.Secret = nil },
		"short account":   func(c *identity.Credential) { c.Principal.Account = "1" },
		"odd partition":   func(c *identity.Credential) { c.Principal.Partition = "gcp" },
		"empty partition": func(c *identity.Credential) { c.Principal.Partition = "" },
	} {
		c := ok
		edit(&c)
		_, err := identity.NewDirectory([]identity.Credential{c})
		if !errors.Is(err, identity.ErrCredential) {
			t.Errorf("%s: got %v", name, err)
		} else if strings.Contains(err.Error(), "hidden-value") {
			t.Errorf("%s: the text shows the secret", name)
		}
	}
	if _, err := identity.NewDirectory([]identity.Credential{ok, ok}); !errors.Is(err, identity.ErrCredential) {
		t.Errorf("twice the same id: %v", err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	c := identity.Credential{AccessKeyID: "A", Secret: identity.Secret("hidden-value")}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if s := fmt.Sprintf(format, c); strings.Contains(s, "hidden") || strings.Contains(s, "68696464") || strings.Contains(s, "0x68") {
			t.Errorf("%s prints %s", format, s)
		}
	}
}
