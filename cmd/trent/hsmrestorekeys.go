package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"trent/hsm"
	"trent/hsm/operator"
)

// restoreKeys is the change that lets a domain open what an older backup has.
func restoreKeys() change {
	return change{name: "restore-keys", short: "Bring back the domain keys of a backup",
		long: `Restore-keys brings back the domain keys that were dropped since a backup was made, out of the domain token in it, so that the
keys of the backup can be opened and re-encrypted. An appliance that was a member then, and is one still, takes them out of
it; the module that made that token must be a member still, too. Put the data of the backup back first: servers re-encrypt what
is under these keys, and drop them again some minutes after they find nothing more. Where
all modules are others by now, recover the domain from the backup's token in a fresh one: 'trent hsm domain recover'.`,
		example: "restore-keys --state /var/lib/trent-hsm --backup backup/domain.token --key alice.key --key bob.key",
		flags: func(f *changeFlags, fs *pflag.FlagSet) {
			fs.StringVar(&f.backup, "backup", "", "file with the backup's domain token (required)")
		}, build: buildRestoreKeys}
}

func buildRestoreKeys(_ context.Context, f *changeFlags, s *hsm.DomainState) (operator.Command, error) {
	if f.backup == "" {
		return operator.Command{}, usageError(errors.New("which domain token is meant is not said"), "give --backup FILE, the domain token that the backup has")
	}
	_, backup, err := readTokenFile(f.backup)
	if err != nil {
		return operator.Command{}, err
	}
	if backup.Domain != s.Domain {
		return operator.Command{}, usageError(errors.New(f.backup+" is of another domain"), "'trent hsm domain show --token FILE' says which")
	}
	keys := s.Lost(backup)
	if len(keys) == 0 {
		return operator.Command{}, usageError(errors.New("the domain still has all keys of "+f.backup), "nothing is to be done: restore the data")
	}
	return operator.Command{Kind: operator.RestoreKeys, Keys: keys}, nil
}
