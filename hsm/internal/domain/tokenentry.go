package domain

// TokenEntry is the entry of the audit log in a domain token, encoded. Error: ErrToken.
func TokenEntry(token []byte) ([]byte, error) {
	t, err := parseToken(token)
	if err != nil {
		return nil, err
	}
	return t.entry, nil
}

// TokenEntries are the entries of the audit log in a domain token, encoded: those of the last states, its own last.
// Error: ErrToken.
func TokenEntries(token []byte) ([][]byte, error) {
	t, err := parseToken(token)
	if err != nil {
		return nil, err
	}
	return append(t.trail, t.entry), nil
}
