package conformance_test

import (
	"encoding/json"
	"fmt"
	"os"

	"trent/fastpath/servertest"
)

// childDir names the directory that a re-executed test binary serves instead of running tests.
const childDir = "TRENT_CONFORMANCE_CHILD"

// childInfo is what a child tells its parent, in one line.
type childInfo struct {
	URL     string
	RootPEM []byte
}

func serveUntilKilled(dir string) {
	s, err := servertest.Open(dir, servertest.Options{})
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(childInfo{s.URL, s.RootPEM})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	select {}
}
