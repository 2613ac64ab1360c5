package link

// Buffers are the buffers of a client's connections in which plaintext has been. Nothing may be in progress.
func (c *Client) Buffers() [][]byte {
	var all [][]byte
	c.eachLine(func(l *line) {
		all = append(all, l.reader.buf)
		all = append(all, l.out.buffers()...)
	})
	return all
}

// Buffers are the same of a server's.
func (s *Server) Buffers() [][]byte {
	var all [][]byte
	s.each(func(p *port) {
		all = append(all, p.reader.buf, p.request.outBuf, p.request.secretBuf, p.request.pkBuf)
		all = append(all, p.out.buffers()...)
	})
	return all
}

func (o *outbox) buffers() [][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return [][]byte{o.queue.buf[:cap(o.queue.buf)], o.spare.buf[:cap(o.spare.buf)], o.rest.buf[:cap(o.rest.buf)]}
}

// InUse counts the entries of a client's live connections that are not free.
func (c *Client) InUse() int {
	n := 0
	c.eachLine(func(l *line) { n += int(l.table.used.Load()) })
	return n
}
