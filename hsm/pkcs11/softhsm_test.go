//go:build pkcs11

package pkcs11_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/hsmtest"
	"trent/hsm/pkcs11"
)

const (
	tokenLabel = "trent-test"
	emptyLabel = "trent-empty" // of a token without a key
	userPIN    = "123456"
)

// library is the SoftHSM2 that scripts/softhsm.sh installs, or the one in $SOFTHSM2_MODULE. All tests share one token,
// in a directory of the run: a process can load the library only once.
var library = "/usr/lib/softhsm/libsofthsm2.so"

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if path := os.Getenv("SOFTHSM2_MODULE"); path != "" {
		library = path
	}
	dir, err := os.MkdirTemp("", "trent-softhsm")
	if err == nil {
		defer os.RemoveAll(dir)
		err = initialise(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "preparing SoftHSM2 (scripts/softhsm.sh installs it):", err)
		return 1
	}
	return m.Run()
}

// initialise makes an empty token.
func initialise(dir string) error {
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+dir+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600); err != nil {
		return err
	}
	if err := os.Setenv("SOFTHSM2_CONF", conf); err != nil {
		return err
	}
	ctx := p11.New(library)
	if ctx == nil {
		return fmt.Errorf("%s cannot be loaded", library)
	}
	defer ctx.Destroy()
	if err := ctx.Initialize(); err != nil {
		return err
	}
	defer func() { _ = ctx.Finalize() }()
	for _, label := range [...]string{tokenLabel, emptyLabel} {
		if err := makeToken(ctx, label); err != nil {
			return err
		}
	}
	return nil
}

// makeToken makes a token in the slot that has none.
func makeToken(ctx *p11.Ctx, label string) error {
	slots, err := ctx.GetSlotList(true)
	if err != nil {
		return err
	}
	slot := slots[len(slots)-1]
	if err := ctx.InitToken(slot, "so-123456", label); err != nil {
		return err
	}
	s, err := ctx.OpenSession(slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	defer func() { _ = ctx.CloseSession(s) }()
	if err := ctx.Login(s, p11.CKU_SO, "so-123456"); err != nil {
		return err
	}
	defer func() { _ = ctx.Logout(s) }()
	return ctx.InitPIN(s, userPIN)
}

func options() pkcs11.Options {
	return pkcs11.Options{
		Library: library, Token: tokenLabel, Host: "test", Create: true,
		PIN: func() ([]byte, error) { return []byte(userPIN), nil },
	}
}

// open opens the token and closes it with the test.
func open(t testing.TB, o pkcs11.Options) *pkcs11.Module {
	t.Helper()
	m, err := pkcs11.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// lacks is what the device itself says that it does not have.
func lacks(m *pkcs11.Module) hsmtest.Lacks {
	l := hsmtest.Lacks{Pairs: true, Strictness: true, Speed: true}
	for spec := hsm.SymmetricDefault; spec <= hsm.SM2; spec++ {
		any := false
		for usage := hsm.EncryptDecrypt; usage <= hsm.EncapsulateDecapsulate; usage++ {
			any = any || m.Supports(spec, usage)
			if !m.Supports(spec, usage) {
				continue
			}
			for _, a := range hsm.Algorithms(spec, usage) {
				if !m.Runs(a) {
					l.Algorithms = append(l.Algorithms, a)
				}
			}
		}
		switch {
		case !any:
			l.Specs = append(l.Specs, spec)
		case hsm.Importable(spec) && !m.Imports(spec):
			l.Imports = append(l.Imports, spec)
		}
	}
	for w := hsm.WrapOAEPSHA1; w <= hsm.WrapSM2PKE; w++ {
		if !m.Wraps(w) {
			l.Wrappings = append(l.Wrappings, w)
		}
	}
	return l
}

// TestModule runs the suite of all modules: as it is, and with few sessions and a deadline for every call.
func TestModule(t *testing.T) {
	t.Run("default", func(t *testing.T) {
		m := open(t, options())
		hsmtest.Run(t, hsmtest.Options{Lacks: lacks(m)}, func(testing.TB) hsm.Module { return m })
	})
	t.Run("hurried", func(t *testing.T) {
		o := options()
		o.Sessions = 2
		m := open(t, o)
		hsmtest.Run(t, hsmtest.Options{Lacks: lacks(m)}, func(testing.TB) hsm.Module { return hurried{m} })
	})
}

// hurried gives calls a deadline that they meet.
type hurried struct{ *pkcs11.Module }

func (h hurried) Do(c *hsm.Call) error {
	if c.Deadline.IsZero() {
		c.Deadline = time.Now().Add(time.Minute)
	}
	return h.Module.Do(c)
}

// device looks at the token beside the module, in the same process.
type device struct {
	ctx     *p11.Ctx
	slot    uint
	session p11.SessionHandle
}

func attach(t *testing.T) *device {
	t.Helper()
	d := &device{ctx: p11.New(library)}
	slots, err := d.ctx.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range slots {
		if info, err := d.ctx.GetTokenInfo(slot); err == nil && info.Label == tokenLabel {
			d.slot = slot
		}
	}
	if d.session, err = d.ctx.OpenSession(d.slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *device) find(t *testing.T, template ...*p11.Attribute) []p11.ObjectHandle {
	t.Helper()
	if err := d.ctx.FindObjectsInit(d.session, template); err != nil {
		t.Fatal(err)
	}
	found, _, err := d.ctx.FindObjects(d.session, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ctx.FindObjectsFinal(d.session); err != nil {
		t.Fatal(err)
	}
	return found
}

func (d *device) attribute(t *testing.T, object p11.ObjectHandle, kind uint) byte {
	t.Helper()
	got, err := d.ctx.GetAttributeValue(d.session, object, []*p11.Attribute{p11.NewAttribute(kind, nil)})
	if err != nil || len(got[0].Value) != 1 {
		t.Fatalf("attribute %#x: %v", kind, err)
	}
	return got[0].Value[0]
}

func (d *device) label(t *testing.T, object p11.ObjectHandle) string {
	t.Helper()
	got, err := d.ctx.GetAttributeValue(d.session, object, []*p11.Attribute{p11.NewAttribute(p11.CKA_LABEL, nil)})
	if err != nil {
		t.Fatal(err)
	}
	return string(got[0].Value)
}
