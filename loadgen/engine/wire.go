package engine

import (
	"io"
	"net"
)

// wire is the connection below TLS. It notes when a request goes out, and sends a request together with the wait for the answer,
// where the system has a way for it that saves a call.
type wire struct {
	net.Conn
	onWrite func() // called when the first bytes of a request go out
	begun   bool   // a request has begun and no byte of it has gone out
	held    bool   // what is written waits for a Read
	out     []byte // written and not sent yet
	turn    turn
	direct  io.ReadWriteCloser // used instead of Conn and all of the above; nil: not
	secrets *secrets           // of the handshake; nil: nobody wants them
	shaking bool               // the handshake is under way
	seen    []byte             // received during it, where secrets are wanted
}

// init must be called before anything else.
func (w *wire) init(onWrite func()) {
	w.onWrite = onWrite
	w.turn.init(w)
}

// begin says that an exchange begins: a request is written, then an answer is read. The request may be held until then.
func (w *wire) begin(mayHold bool) {
	w.begun, w.held, w.out = true, mayHold && w.turn.possible(), w.out[:0]
}

// holding reports whether something is held that no read has sent.
func (w *wire) holding() bool { return len(w.out) > 0 }

// Write sends b, or keeps a copy of it for the Read that follows.
func (w *wire) Write(b []byte) (int, error) {
	if w.direct != nil {
		return w.direct.Write(b)
	}
	if w.held {
		w.out = append(w.out, b...)
		return len(b), nil
	}
	w.note()
	return w.Conn.Write(b)
}

// Read reads, after sending what is held.
func (w *wire) Read(b []byte) (int, error) {
	if w.direct != nil {
		return w.direct.Read(b)
	}
	if len(w.out) > 0 {
		w.held = false
		return w.turn.around(b)
	}
	n, err := w.Conn.Read(b)
	if w.shaking {
		w.seen = append(w.seen, b[:max(n, 0)]...)
	}
	return n, err
}

// Close closes what carries the connection.
func (w *wire) Close() error {
	if w.direct != nil {
		return w.direct.Close()
	}
	return w.Conn.Close()
}

func (w *wire) note() {
	if w.begun {
		w.begun = false
		w.onWrite()
	}
}
