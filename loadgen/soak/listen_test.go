package soak_test

import (
	"net"
	"time"
)

// listen waits for the address, which a killed process may hold a moment longer.
func listen(address string) (l net.Listener, err error) {
	for range 1500 { // 30 s
		if l, err = net.Listen("tcp", address); err == nil {
			return l, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, err
}
