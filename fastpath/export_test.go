package fastpath

import "trent/fastpath/frontend"

// Handler is the chain as the frontend has it.
func (s *Server) Handler() frontend.Handler { return chain{s} }
