package conformance_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/uuid"

	"trent/fastpath/identity"
)

// mortal is a multi-Region key whose server is killed in the middle of its life: what was answered, and the one thing
// that was under way.
type mortal struct {
	id        string
	materials [][]byte // imported; none: made by the server
	copied    bool
	primary   string // Region
	rotations int
	has       map[string]int // how many materials were imported, by Region
	opens     map[string]string
	grants    []string
	ended     []string
	dying     string // Region whose copy is to be deleted
	under     string // what was under way
}

const mortalHome = "us-east-1"

// step does one thing and notes it once it is answered.
type step struct {
	name string
	do   func(ctx context.Context) error
}

// live takes a key through its life until the server is gone.
func (m *mortal) live(t *testing.T, c *child, imported bool) {
	ctx := t.Context()
	for _, s := range m.steps(t, c, imported) {
		m.under = s.name
		if err := s.do(ctx); err != nil {
			return
		}
	}
	m.under = ""
}

func (m *mortal) steps(t *testing.T, c *child, imported bool) []step {
	home, there := c.In(mortalHome), c.In(firstRegion)
	rotate := func(client *kms.Client) step {
		return step{"rotate", func(ctx context.Context) error {
			_, err := client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &m.id})
			if err == nil {
				m.rotations++
			}
			return err
		}}
	}
	seal := func(client *kms.Client) step {
		return step{"seal", func(ctx context.Context) error {
			text := uuid.NewString()
			out, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &m.id, Plaintext: []byte(text)})
			if err == nil {
				m.opens[text] = string(out.CiphertextBlob)
			}
			return err
		}}
	}
	bring := func(client *kms.Client, region string, n int) step {
		return step{"import " + region, func(ctx context.Context) error { return m.bring(ctx, t, client, region, n) }}
	}
	create, replicate, promote, remove := m.create(home, imported), m.replicate(home), m.promote(home), m.remove(home)
	if imported {
		return []step{
			create, bring(home, mortalHome, 0), seal(home), replicate, bring(there, firstRegion, 0), bring(home, mortalHome, 1),
			bring(there, firstRegion, 1), rotate(home), seal(there), promote, seal(there), remove,
		}
	}
	grants := m.grant(home)
	return []step{create, seal(home), replicate, rotate(home), seal(there), grants[0], grants[1], grants[2], promote, rotate(there), seal(home), remove}
}

func (m *mortal) create(client *kms.Client, imported bool) step {
	return step{"create", func(ctx context.Context) error {
		in := &kms.CreateKeyInput{MultiRegion: aws.Bool(true)}
		if imported {
			in.Origin = types.OriginTypeExternal
			m.materials = [][]byte{randomBytes(32), randomBytes(32)}
		}
		out, err := client.CreateKey(ctx, in)
		if err == nil {
			m.id, m.primary = *out.KeyMetadata.KeyId, mortalHome
		}
		return err
	}}
}

func (m *mortal) replicate(client *kms.Client) step {
	return step{"replicate", func(ctx context.Context) error {
		_, err := client.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &m.id, ReplicaRegion: aws.String(firstRegion)})
		m.copied = err == nil
		return err
	}}
}

func (m *mortal) promote(client *kms.Client) step {
	return step{"promote", func(ctx context.Context) error {
		_, err := client.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &m.id, PrimaryRegion: aws.String(firstRegion)})
		if err == nil {
			m.primary = firstRegion
		}
		return err
	}}
}

func (m *mortal) remove(client *kms.Client) step {
	return step{"remove", func(ctx context.Context) error {
		_, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &m.id, PendingWindowInDays: aws.Int32(7)})
		if err == nil {
			m.dying = mortalHome
		}
		return err
	}}
}

// grant makes two grants and ends the second.
func (m *mortal) grant(client *kms.Client) [3]step {
	var token string
	give := step{"grant", func(ctx context.Context) error {
		out, err := client.CreateGrant(ctx, &kms.CreateGrantInput{
			KeyId: &m.id, GranteePrincipal: aws.String(rootOf(identity.DefaultAccount)), Operations: []types.GrantOperation{"Decrypt"},
		})
		if err == nil {
			m.grants, token = append(m.grants, *out.GrantId), *out.GrantToken
		}
		return err
	}}
	return [3]step{give, give, {"retire", func(ctx context.Context) error {
		_, err := client.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: &token})
		if err == nil {
			m.ended, m.grants = m.grants[1:], m.grants[:1]
		}
		return err
	}}}
}

func (m *mortal) bring(ctx context.Context, t *testing.T, client *kms.Client, region string, n int) error {
	p, err := client.GetParametersForImport(ctx, &kms.GetParametersForImportInput{
		KeyId: &m.id, WrappingAlgorithm: oaep256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	})
	if err != nil {
		return err
	}
	public, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		return err
	}
	in := parameters{p, public.(*rsa.PublicKey), oaep256}.input(t, m.materials[n])
	if n > 0 && region == mortalHome {
		in.ImportType = types.ImportTypeNewKeyMaterial
	}
	if _, err = client.ImportKeyMaterial(ctx, in); err == nil {
		m.has[region]++
	}
	return err
}

// check says what is not as it was answered. Work that the kill cut short is done before the first request.
func (m *mortal) check(ctx context.Context, c *child) error {
	at := map[string]*types.KeyMetadata{}
	lists := map[string][]types.RotationsListEntry{}
	for _, region := range []string{mortalHome, firstRegion} {
		out, err := c.In(region).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &m.id})
		var absent *types.NotFoundException
		if errors.As(err, &absent) && region == firstRegion && (!m.copied || m.under == "create") {
			continue
		}
		if err != nil {
			return err
		}
		at[region] = out.KeyMetadata
		all, err := c.In(region).ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &m.id, IncludeKeyMaterial: types.IncludeKeyMaterialAllKeyMaterial})
		if err != nil {
			return err
		}
		lists[region] = all.Rotations
	}
	for _, f := range []func() error{
		func() error { return m.checkCopies(at, lists) },
		func() error { return m.checkRotations(lists[mortalHome]) },
		func() error { return m.checkImports(lists) },
		func() error { return m.checkGrants(ctx, c) },
		func() error { return m.checkUse(ctx, c, at) },
	} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// checkCopies: all copies tell the same of each other and of what they share.
func (m *mortal) checkCopies(at map[string]*types.KeyMetadata, lists map[string][]types.RotationsListEntry) error {
	here := at[mortalHome]
	primary := *here.MultiRegionConfiguration.PrimaryKey.Region
	if primary != m.primary && (m.under != "promote" || primary != firstRegion) {
		return fmt.Errorf("the primary is in %s, answered %s", primary, m.primary)
	}
	if dying := here.KeyState == "PendingDeletion"; dying != (m.dying != "") && m.under != "remove" || dying != (here.DeletionDate != nil) {
		return fmt.Errorf("state %s, to be deleted %v", here.KeyState, here.DeletionDate)
	}
	there, copied := at[firstRegion]
	if (len(here.MultiRegionConfiguration.ReplicaKeys) == 1) != copied || !copied && m.under != "replicate" && m.copied {
		return fmt.Errorf("%d replicas, a copy is there: %t", len(here.MultiRegionConfiguration.ReplicaKeys), copied)
	}
	if !copied {
		return nil
	}
	if p := *there.MultiRegionConfiguration.PrimaryKey.Region; p != primary || there.MultiRegionConfiguration.MultiRegionKeyType == here.MultiRegionConfiguration.MultiRegionKeyType {
		return fmt.Errorf("primaries %s and %s", primary, p)
	}
	same := slices.EqualFunc(lists[mortalHome], lists[firstRegion], func(a, b types.RotationsListEntry) bool {
		return *a.KeyMaterialId == *b.KeyMaterialId && a.KeyMaterialState == b.KeyMaterialState && a.RotationType == b.RotationType
	})
	if !same || aws.ToString(here.CurrentKeyMaterialId) != aws.ToString(there.CurrentKeyMaterialId) {
		return fmt.Errorf("materials differ: %+v, %+v", lists[mortalHome], lists[firstRegion])
	}
	return nil
}

func (m *mortal) checkRotations(all []types.RotationsListEntry) error {
	n, current := 0, 0
	for _, e := range all {
		if e.RotationType == types.RotationTypeOnDemand {
			n++
		}
		if e.KeyMaterialState == types.KeyMaterialStateCurrent {
			current++
		}
	}
	if n != m.rotations && (m.under != "rotate" || n != m.rotations+1) || current > 1 {
		return fmt.Errorf("%d rotations, answered %d", n, m.rotations)
	}
	return nil
}

func (m *mortal) checkImports(lists map[string][]types.RotationsListEntry) error {
	if m.materials == nil {
		return nil
	}
	for region, all := range lists {
		n := 0
		for _, e := range all {
			if e.ImportState == types.ImportStateImported {
				n++
			}
		}
		if n != m.has[region] && (m.under != "import "+region || n != m.has[region]+1) {
			return fmt.Errorf("%s has %d materials, answered %d", region, n, m.has[region])
		}
	}
	return nil
}

func (m *mortal) checkGrants(ctx context.Context, c *child) error {
	out, err := c.In(mortalHome).ListGrants(ctx, &kms.ListGrantsInput{KeyId: &m.id})
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, g := range out.Grants {
		listed[*g.GrantId] = true
	}
	for i, id := range m.grants {
		if !listed[id] && (m.under != "retire" || i == 0) {
			return fmt.Errorf("grant %s is lost", id)
		}
		delete(listed, id)
	}
	for _, id := range m.ended {
		if listed[id] {
			return fmt.Errorf("grant %s is back", id)
		}
	}
	if len(listed) > 1 || len(listed) == 1 && m.under != "grant" {
		return fmt.Errorf("grants of nobody: %v", listed)
	}
	return nil
}

// checkUse: whatever was encrypted is decrypted by each copy that can be used.
func (m *mortal) checkUse(ctx context.Context, c *child, at map[string]*types.KeyMetadata) error {
	for region, metadata := range at {
		if complete := m.materials == nil || m.has[region] > m.rotations; complete && metadata.KeyState != "Enabled" && region != mortalHome {
			return fmt.Errorf("%s: %s", region, metadata.KeyState)
		}
		if !metadata.Enabled {
			continue
		}
		for text, blob := range m.opens {
			back, err := c.In(region).Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: []byte(blob)})
			if err != nil || !bytes.Equal(back.Plaintext, []byte(text)) {
				return fmt.Errorf("decrypting in %s: %w", region, err)
			}
		}
	}
	return nil
}

// TestKillLifecycles kills a server in the middle of the lives of multi-Region keys: what was answered holds in all
// Regions, and what was under way was done as a whole or not at all.
func TestKillLifecycles(t *testing.T) {
	t.Parallel()
	ownServer(t)
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	seen := map[string]int{}
	for round := range rounds {
		c := startChild(t, dir)
		lives := make([][]*mortal, 4)
		var writers sync.WaitGroup
		for w := range lives {
			writers.Go(func() {
				for {
					m := &mortal{has: map[string]int{}, opens: map[string]string{}}
					m.live(t, c, w == 0)
					if m.id != "" {
						lives[w] = append(lives[w], m)
					}
					if m.under != "" {
						return
					}
				}
			})
		}
		// The moment of the kill is the input of this test, not a wait for something: each round dies elsewhere.
		time.Sleep(time.Duration(250+130*round) * time.Millisecond)
		c.kill()
		writers.Wait()
		c = startChild(t, dir)
		for _, m := range slices.Concat(lives...) {
			seen[m.under]++
			if err := m.check(t.Context(), c); err != nil {
				t.Errorf("round %d, %s, under way %q: %v", round, m.id, m.under, err)
			}
		}
		c.kill()
	}
	if seen[""] == 0 {
		t.Error("no life was completed")
	}
	t.Logf("under way when it was killed: %v", seen)
}
