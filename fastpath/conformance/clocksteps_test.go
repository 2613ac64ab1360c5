package conformance_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"

	"trent/fastpath/servertest"
)

// past is a server with keys to which much happens within a year.
type past struct {
	s     *servertest.Server
	begun time.Time
	ids   []string
}

func newPast(t *testing.T) *past {
	t.Helper()
	p := &past{s: servertest.Start(t, servertest.Options{TestClock: true}), begun: time.Now()}
	ctx, client, there := t.Context(), p.s.KMS(), p.s.In(firstRegion)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	create := func(in *kms.CreateKeyInput) *string {
		t.Helper()
		out, err := client.CreateKey(ctx, in)
		must(err)
		p.ids = append(p.ids, *out.KeyMetadata.KeyId)
		return out.KeyMetadata.KeyId
	}
	copied := func(id *string) {
		t.Helper()
		must(second(client.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: aws.String(firstRegion)})))
	}
	remove := func(c *kms.Client, id *string, days int32) {
		t.Helper()
		must(second(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: &days})))
	}

	// Rotated again and again, in two Regions.
	rotated := create(&kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	copied(rotated)
	must(second(client.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: rotated, RotationPeriodInDays: aws.Int32(90)})))

	// Deleted once its copy is gone; rotations that fall due meanwhile are none.
	dying := create(&kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	copied(dying)
	must(second(client.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: dying, RotationPeriodInDays: aws.Int32(90)})))
	remove(client, dying, 20)
	remove(there, dying, 8)

	// The copy goes, and with it what the third material waits for; the first ends, then the second.
	imported := create(&kms.CreateKeyInput{MultiRegion: aws.Bool(true), Origin: types.OriginTypeExternal})
	q := forImport(t, client, *imported, types.AlgorithmSpecRsaesOaepSha256)
	bring := func(material []byte, days int, kind types.ImportType) {
		t.Helper()
		in := q.input(t, material)
		in.ImportType, in.ExpirationModel, in.ValidTo = kind, types.ExpirationModelTypeKeyMaterialExpires, aws.Time(p.begun.Add(time.Duration(days)*24*time.Hour))
		must(second(client.ImportKeyMaterial(ctx, in)))
	}
	bring(randomBytes(32), 200, types.ImportTypeNewKeyMaterial)
	bring(randomBytes(32), 100, types.ImportTypeNewKeyMaterial)
	must(second(client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: imported})))
	copied(imported)
	bring(randomBytes(32), 40, types.ImportTypeNewKeyMaterial)
	remove(there, imported, 30)
	return p
}

// look is all that can be seen of the keys, dates as days since the beginning.
func (p *past) look(t *testing.T) (seen []string) {
	t.Helper()
	since := func(at *time.Time) string {
		if at == nil {
			return "-"
		}
		return fmt.Sprint(at.Sub(p.begun).Round(time.Hour).Hours() / 24)
	}
	for i, id := range p.ids {
		for _, c := range []*kms.Client{p.s.KMS(), p.s.In(firstRegion)} {
			out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})
			if err != nil {
				seen = append(seen, fmt.Sprintf("key %d: %s", i, codeOf(err)))
				continue
			}
			m := out.KeyMetadata
			seen = append(seen, fmt.Sprintf("key %d: %s, deleted %s, valid to %s, %d copies", i, m.KeyState, since(m.DeletionDate), since(m.ValidTo), len(m.MultiRegionConfiguration.ReplicaKeys)))
			for _, e := range materialsIn(t, c, id) {
				seen = append(seen, fmt.Sprintf("  %s %s %s, rotated %s, valid to %s", e.KeyMaterialState, e.ImportState, e.RotationType, since(e.RotationDate), since(e.ValidTo)))
			}
		}
	}
	return seen
}

// TestClockSteps: what happens within a year does not hang on the steps in which the clock gets there.
func TestClockSteps(t *testing.T) {
	t.Parallel()
	ownServer(t)
	const leg = 73 * 24 * time.Hour
	small, large := newPast(t), newPast(t)
	for i := range 5 {
		for range 73 {
			small.s.Advance(t, leg/73)
		}
		large.s.Advance(t, leg)
		want := small.look(t)
		if d := cmp.Diff(want, large.look(t)); d != "" {
			t.Errorf("after %d days: %s", 73*(i+1), d)
		}
		if i == 0 || i == 4 {
			t.Log(want)
		}
	}
}
