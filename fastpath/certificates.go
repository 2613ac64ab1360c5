package fastpath

// Certificates is what the administration answers when it has reloaded them.
type Certificates struct {
	InUse string `json:"inUse"` // names and end
}

func (s *Server) reloadCertificates() (any, error) {
	if s.reload == nil {
		return nil, badCommand("the server has no certificate of its own to reload: it uses those of its local CA, which it renews by itself")
	}
	inUse, err := s.reload()
	if err != nil {
		return nil, badCommand("%w; in use: %s", err, inUse)
	}
	return Certificates{InUse: inUse}, nil
}
