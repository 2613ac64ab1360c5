package operation

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// multiRegionRows are the rows of ReplicateKey and UpdatePrimaryRegion.
func multiRegionRows(t *[wire.NumOperations]row) {
	t[wire.OperationReplicateKey] = row{run: replicateKey, class: replicating, write: true, invalidARN: true, noDependencyTimeout: true,
		key: func(r wire.Request) []byte { return r.(*wire.ReplicateKeyRequest).KeyId }}
	t[wire.OperationUpdatePrimaryRegion] = row{run: updatePrimaryRegion, resolve: resolvePromoted, class: promoting, write: true, invalidARN: true, noDependencyTimeout: true,
		key: func(r wire.Request) []byte { return r.(*wire.UpdatePrimaryRegionRequest).KeyId }}
}

func replicateKey(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.ReplicateKeyRequest)
	id := c.Key.Snapshot.ID
	primary, err := s.keys.Record(ctx, id)
	if err != nil {
		return keyGone(c, err)
	}
	if err := checkPrimary(c, &primary); err != nil {
		return err
	}
	n, err := s.newReplica(c, r)
	if err != nil {
		return err
	}
	replica, err := s.keys.Replicate(ctx, id, n, func(k *keyring.Record) error { return checkPrimary(c, k) })
	switch {
	case errors.Is(err, keyring.ErrKeyExists):
		id.Region = n.Region
		return wire.Errorf(wire.CodeAlreadyExistsException, "A key with the ARN %s already exists", id.ARN())
	case errors.Is(err, keyring.ErrNotPrimary):
		return notPrimary(c)
	case err != nil:
		return keyGone(c, keyLimit(err))
	}
	return s.answerReplica(ctx, c, &replica, n.Tags)
}

// newReplica checks what a replica is to have for itself.
func (s *Service) newReplica(c *Call, r *wire.ReplicateKeyRequest) (n keyring.NewReplica, err error) {
	n = keyring.NewReplica{
		Region: string(r.ReplicaRegion), Description: string(r.Description), Created: s.clock(), Enter: s.enter(keyring.Creating),
	}
	if err := s.checkRegion(c, n.Region); err != nil {
		return n, err
	}
	if n.Tags, err = s.newTags(r.Tags); err != nil {
		return n, err
	}
	if r.Policy != nil {
		replica := c.Key.Snapshot.ID
		replica.Region = n.Region
		if err := s.checkPolicy(c, r.Policy, replica.ARN(), replica.Region, r.BypassPolicyLockoutSafetyCheck); err != nil {
			return n, err
		}
		n.Policy = bytes.Clone(r.Policy)
	}
	return n, nil
}

// answerReplica shows the new key as the service does: still being created, whatever its state is by now.
func (s *Service) answerReplica(ctx context.Context, c *Call, replica *keyring.Record, tags []keyring.Tag) error {
	shown := *replica
	shown.State = keyring.Creating
	m := metadata(&shown)
	if err := s.relate(ctx, &shown, m); err != nil {
		return err
	}
	m.CurrentKeyMaterialId = ""
	policy, err := s.keys.Policy(ctx, replica.ID)
	if err != nil {
		return fmt.Errorf("reading a replica's policy back: %w", err)
	}
	resp := &wire.ReplicateKeyResponse{ReplicaKeyMetadata: m, ReplicaPolicy: string(policy)}
	for _, t := range tags { // without any, the recorded answers do not have the member
		resp.ReplicaTags = append(resp.ReplicaTags, wire.ResponseTag{TagKey: t.Key, TagValue: t.Value})
	}
	c.Response = resp
	return nil
}

// resolvePromoted finds the primary, and the replica that is to become it, if there is one.
func resolvePromoted(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.UpdatePrimaryRegionRequest)
	if keyring.Classify(r.KeyId).IsAlias() {
		return wire.Errorf(wire.CodeInvalidArnException, "Key Aliases are not supported for this operation.")
	}
	if err := s.resolve(ctx, c, r.KeyId, onKey); err != nil || c.refuse != nil {
		return err
	}
	id := c.Key.Snapshot.ID
	id.Region = string(r.PrimaryRegion)
	replica, err := s.keys.ByID(ctx, id)
	if err != nil {
		return fmt.Errorf("finding the copy that is to become the primary: %w", err)
	}
	if !replica.Missing {
		c.other = replica
	}
	return nil
}

func updatePrimaryRegion(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.UpdatePrimaryRegionRequest)
	id := c.Key.Snapshot.ID
	region := string(r.PrimaryRegion)
	primary, err := s.keys.Record(ctx, id)
	if err != nil {
		return keyGone(c, err)
	}
	if err := checkPrimary(c, &primary); err != nil {
		return err
	}
	if region == id.Region {
		return validation("%s is already the primary key in Region %s.", id.ARN(), region)
	}
	if err := s.checkRegion(c, region); err != nil {
		return err
	}
	err = s.keys.Promote(ctx, id, region, func(k *keyring.Record) error {
		return checkState(promoting, k.State, k.ARN())
	}, s.enter(keyring.Updating))
	switch {
	case errors.Is(err, keyring.ErrNoReplica):
		id.Region = region
		return wire.Errorf(wire.CodeNotFoundException, "Key '%s' does not exist", id.ARN())
	case errors.Is(err, keyring.ErrNotPrimary):
		return notPrimary(c)
	}
	return keyGone(c, err)
}

// checkPrimary refuses keys that are not the primary of a multi-Region key, then states.
func checkPrimary(c *Call, k *keyring.Record) error {
	if !k.Leads() {
		return notPrimary(c)
	}
	return checkState(c.row.class, k.State, c.Key.Snapshot.ARN)
}

func notPrimary(c *Call) error {
	return wire.Errorf(wire.CodeUnsupportedOperationException, "%s is not a multi-region primary key.", c.Key.Snapshot.ARN)
}

// checkRegion refuses Regions of other partitions and such as are not served.
func (s *Service) checkRegion(c *Call, region string) error {
	if !s.served(c.Scope.Partition, region) {
		return validation("Region %s is not valid for this operation.", region)
	}
	return nil
}

// configuration is which copies of a multi-Region key there are, as KeyMetadata shows it.
func configuration(id keyring.ID, rel keyring.Related) *wire.MultiRegionConfiguration {
	in := func(region string) wire.MultiRegionKey {
		copied := id
		copied.Region = region
		return wire.MultiRegionKey{Arn: copied.ARN(), Region: region}
	}
	primary := in(rel.Primary)
	m := &wire.MultiRegionConfiguration{
		MultiRegionKeyType: wire.MultiRegionKeyTypePrimary, PrimaryKey: &primary,
		ReplicaKeys: make([]wire.MultiRegionKey, len(rel.Replicas)),
	}
	if rel.Primary != id.Region {
		m.MultiRegionKeyType = wire.MultiRegionKeyTypeReplica
	}
	for i, region := range rel.Replicas {
		m.ReplicaKeys[i] = in(region)
	}
	return m
}

// relate adds the copies of a multi-Region key to its metadata.
func (s *Service) relate(ctx context.Context, r *keyring.Record, m *wire.KeyMetadata) error {
	if !r.MultiRegion {
		return nil
	}
	rel, err := s.keys.Related(ctx, r)
	if err != nil {
		return err
	}
	m.MultiRegionConfiguration = configuration(r.ID, rel)
	return nil
}

// enter puts a key whose role or Region is new into a transitional state where that is to last.
func (s *Service) enter(state keyring.State) func(*keyring.Record) {
	return func(r *keyring.Record) {
		if until, lasts := s.Transition(state, r.ID); lasts && !r.State.Transitional() {
			r.Enter(state, until, r.State)
		}
	}
}
