package fastpath_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"trent/fastpath"
	"trent/fastpath/custody"
	"trent/fastpath/servertest"
	"trent/hsm"
)

// rotated is a server whose domain keys rotate, and everything that has a token.
type rotated struct {
	*servertest.Server
	client                      *kms.Client
	symmetric, imported, signer string
	replicated, pending         string
	blobs                       map[string][][]byte // by key: what it encrypted
	signature                   []byte
	parameters                  *kms.GetParametersForImportOutput
	session                     *awssts.GetSessionTokenOutput
	ahead                       atomic.Int64
}

func newRotated(t *testing.T, appliance bool) *rotated {
	t.Helper()
	r := &rotated{blobs: map[string][][]byte{}}
	r.Server = servertest.Start(t, servertest.Options{
		Appliance: appliance, KeyPool: map[hsm.KeySpec]int{hsm.RSA2048: 1},
		Custody: custody.Options{Period: -1, Grace: -1, Clock: func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }},
	})
	r.client = r.KMS()
	r.symmetric = r.create(t, &kms.CreateKeyInput{})
	r.encrypt(t, r.symmetric)
	must(t)(r.client.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &r.symmetric}))
	r.encrypt(t, r.symmetric)
	r.signer = r.create(t, &kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify})
	signed, err := r.client.Sign(t.Context(), r.sign())
	if err != nil {
		t.Fatal(err)
	}
	r.signature = signed.Signature
	r.replicated = r.create(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	r.encrypt(t, r.replicated)
	must(t)(r.client.ReplicateKey(t.Context(), &kms.ReplicateKeyInput{KeyId: &r.replicated, ReplicaRegion: aws.String("eu-west-1")}))
	r.imported = r.create(t, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	r.bring(t, r.parametersOf(t, r.imported))
	r.encrypt(t, r.imported)
	r.pending = r.create(t, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	r.parameters = r.parametersOf(t, r.pending)
	if r.session, err = awssts.NewFromConfig(r.Config()).GetSessionToken(t.Context(), &awssts.GetSessionTokenInput{}); err != nil {
		t.Fatal(err)
	}
	return r
}

// must fails the test on an error of a call whose answer does not matter.
func must(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (r *rotated) create(t *testing.T, in *kms.CreateKeyInput) string {
	t.Helper()
	out, err := r.client.CreateKey(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.KeyId
}

func (r *rotated) encrypt(t *testing.T, id string) {
	t.Helper()
	out, err := r.client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	r.blobs[id] = append(r.blobs[id], out.CiphertextBlob)
}

func (r *rotated) sign() *kms.SignInput {
	return &kms.SignInput{KeyId: &r.signer, Message: []byte("message"), SigningAlgorithm: types.SigningAlgorithmSpecRsassaPkcs1V15Sha256}
}

func (r *rotated) parametersOf(t *testing.T, id string) *kms.GetParametersForImportOutput {
	t.Helper()
	out, err := r.client.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{
		KeyId: &id, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// bring imports random material.
func (r *rotated) bring(t *testing.T, p *kms.GetParametersForImportOutput) {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), []byte(rand.Text() + "0123456789")[:32], nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t)(r.client.ImportKeyMaterial(t.Context(), &kms.ImportKeyMaterialInput{
		KeyId: p.KeyId, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrapped, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}))
}

// works uses everything that was made before.
func (r *rotated) works(t *testing.T) {
	t.Helper()
	for id, blobs := range r.blobs {
		for i, blob := range blobs {
			if out, err := r.client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob}); err != nil || string(out.Plaintext) != "secret" {
				t.Errorf("ciphertext %d of %s: %v", i, id, err)
			}
		}
	}
	if out, err := r.In("eu-west-1").Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: r.blobs[r.replicated][0], KeyId: &r.replicated}); err != nil || string(out.Plaintext) != "secret" {
		t.Errorf("by the replica: %v", err)
	}
	if out, err := r.client.Sign(t.Context(), r.sign()); err != nil || string(out.Signature) != string(r.signature) {
		t.Errorf("the signature is another: %v", err)
	}
	c := r.Config()
	temporary := r.session.Credentials
	c.Credentials = credentials.NewStaticCredentialsProvider(*temporary.AccessKeyId, *temporary.SecretAccessKey, *temporary.SessionToken)
	must(t)(kms.NewFromConfig(c).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &r.symmetric}))
}

// await waits for what the server says of its domain keys.
func (r *rotated) await(t *testing.T, what string, ok func(d *fastpath.DomainStatus) bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		d := r.Core.Status(t.Context()).(fastpath.Status).DomainKeys
		if ok(d) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %+v", what, d)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// load calls the server until it is told to stop, and gives the failures.
func (r *rotated) load(t *testing.T) (stop func() (int64, []error)) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	var done atomic.Int64
	ended := make(chan struct{})
	for i := range 2 {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-ended:
					return
				default:
				}
				if err := r.request(t, i+n); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
				done.Add(1)
				time.Sleep(5 * time.Millisecond) // there is a rotation to see beside it
			}
		})
	}
	return func() (int64, []error) { close(ended); all.Wait(); return done.Load(), failed }
}

func (r *rotated) request(t *testing.T, n int) (err error) {
	ctx := t.Context()
	switch n % 6 {
	case 0:
		_, err = r.client.CreateKey(ctx, &kms.CreateKeyInput{})
	case 1:
		_, err = r.client.Sign(ctx, r.sign())
	case 2:
		_, err = r.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: r.blobs[r.symmetric][0]})
	case 3:
		_, err = r.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &r.imported, KeySpec: types.DataKeySpecAes256})
	case 4:
		_, err = r.In("eu-west-1").Encrypt(ctx, &kms.EncryptInput{KeyId: &r.replicated, Plaintext: []byte("x")})
	case 5:
		_, err = r.client.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &r.pending, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048})
	}
	if err != nil {
		return fmt.Errorf("request of kind %d: %w", n%6, err)
	}
	return nil
}

// rotate rotates, and waits until all tokens are under the new key.
func (r *rotated) rotate(t *testing.T, want uint32) {
	t.Helper()
	version, err := r.Core.RotateDomain(t.Context())
	if err != nil || version != want {
		t.Fatalf("rotated to %d, %v; want %d", version, err, want)
	}
	r.await(t, "all tokens under the new key", func(d *fastpath.DomainStatus) bool {
		return d.Active == want && len(d.Tokens) == 1 && d.Tokens[want] > 0
	})
}

// TestRotationUnderLoad: domain keys rotate twice while requests are made, and the older ones go where they may; no request
// fails, and all that was made before goes on working, also after a restart.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	for _, appliance := range []bool{false, true} {
		t.Run(map[bool]string{false: "embedded", true: "appliance"}[appliance], func(t *testing.T) {
			t.Parallel()
			r := newRotated(t, appliance)
			stop := r.load(t)
			r.rotate(t, 2)
			r.bring(t, r.parameters) // by parameters of before
			must(t)(r.client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &r.pending, Plaintext: []byte("x")}))
			r.ahead.Store(int64(49 * time.Hour))
			r.rotate(t, 3)
			if appliance {
				r.await(t, "a refusal", func(d *fastpath.DomainStatus) bool { return strings.Contains(d.Trouble, "dropping domain key 1") })
			} else {
				r.await(t, "only one key", func(d *fastpath.DomainStatus) bool { return len(d.Keys) == 1 })
			}
			n, failed := stop()
			for _, err := range failed {
				t.Error(err)
			}
			if n == 0 {
				t.Error("there was no load")
			}
			r.works(t)
			var metrics strings.Builder
			r.Core.WriteMetrics(&metrics)
			for _, want := range []string{`trent_domain_tokens{version="3"} `, "trent_domain_tokens_rewrapped_total ", "trent_domain_active_key_age_seconds ", `trent_domain_rotation_state{state="idle"} `} {
				if !strings.Contains(metrics.String(), want) {
					t.Errorf("no %s among the metrics", want)
				}
			}
			r.Restart(t)
			r.client = r.KMS()
			r.works(t)
		})
	}
}
