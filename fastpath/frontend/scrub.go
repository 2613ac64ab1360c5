package frontend

import "net"

// scrub keeps a buffer that others read into free of what they have read out of it: what stays behind the last request
// would stay as long as its connection. A reader hands out the free end of its buffer to be read into, p; nobody needs
// what lies there any more.
type scrub struct {
	buf  []byte // as much of the buffer as was ever seen
	zero int    // so many bytes at its end are zero
}

// holds says whether p is the end of the buffer.
func (s *scrub) holds(p []byte) bool {
	return len(s.buf) > 0 && len(p) > 0 && &p[len(p)-1] == &s.buf[len(s.buf)-1]
}

// before is called with what is to be read into. Another buffer takes the place of the old one, which is done with.
func (s *scrub) before(p []byte) {
	if !s.holds(p) {
		s.clear()
		s.buf, s.zero = p, 0
	}
	if len(p) > len(s.buf) {
		s.buf = p
	}
	if used := len(p) - s.zero; used > 0 {
		clear(p[:used])
	}
	s.zero = len(p)
}

// after is called with how many bytes were read.
func (s *scrub) after(n int) { s.zero -= n }

// clear wipes the buffer, unread bytes too.
func (s *scrub) clear() {
	clear(s.buf)
	s.zero = len(s.buf)
}

// received is a client's connection beneath TLS, which decrypts records where they were read to.
type received struct {
	net.Conn
	owner   *connection
	records scrub
}

func (r *received) Read(p []byte) (int, error) {
	r.records.before(p)
	n, err := r.Conn.Read(p)
	r.records.after(n)
	return n, err
}
