package bench

import (
	"bytes"
	"crypto/tls"
	"net"

	"github.com/valyala/fasthttp"
)

// ServeFloor is the echo floor: stock fasthttp over stock crypto/tls, all settings at their defaults but
// the name of the server, answering every request with size bytes of a JSON string.
func ServeFloor(l net.Listener, cert tls.Certificate, size int) error {
	reply := append(append([]byte(`{"a":"`), bytes.Repeat([]byte("x"), max(0, size-8))...), `"}`...)
	server := &fasthttp.Server{
		NoDefaultServerHeader: true,
		Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("application/x-amz-json-1.1")
			ctx.SetBody(reply)
		},
	}
	return server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}))
}
